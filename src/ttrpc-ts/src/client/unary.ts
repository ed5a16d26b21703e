import type { Message } from '@bufbuild/protobuf';
import { type FrameHeader, MessageType } from '../channel/frame.ts';
import { readResponse } from '../envelope/response.ts';
import { encodeTail, writeRequest } from '../envelope/request.ts';
import type { StatusError } from '../status-error.ts';
import { guardCall } from './call-guard.ts';
import { type CallOptions, completeCallOptions, type CompleteCallOptions } from './call-options.ts';
import type { BoundMethod, ClientConnection, PendingCall } from './connection.ts';
import { callError, protocolError } from './errors.ts';

/** Calls a unary method. */
export function callUnary(
  connection: ClientConnection,
  bound: BoundMethod,
  { message, options }: { message: unknown; options: CallOptions | undefined },
): Promise<Message> {
  return new Promise((resolve, reject) => {
    new UnaryCall(connection, bound, { resolve, reject }).start(message, options);
  });
}

/** A call that waits for its one answer. */
class UnaryCall implements PendingCall {
  readonly #connection: ClientConnection;
  readonly #bound: BoundMethod;
  readonly #settle: { resolve: (message: Message) => void; reject: (error: StatusError) => void };
  #streamId = 0;
  #settled = false;
  #release: (() => void) | undefined;

  constructor(
    connection: ClientConnection,
    bound: BoundMethod,
    settle: { resolve: (message: Message) => void; reject: (error: StatusError) => void },
  ) {
    this.#connection = connection;
    this.#bound = bound;
    this.#settle = settle;
  }

  start(message: unknown, options: CallOptions | undefined): void {
    try {
      const complete = completeCallOptions(options);
      this.#release = guardCall(this, complete);
      if (this.#connection.congested) this.#sendLater(message, complete);
      else this.#send(message, complete);
    } catch (error) {
      this.abandon(callError(error));
    }
  }

  onFrame(header: Readonly<FrameHeader>, buffer: Buffer, start: number, end: number): void {
    if (header.type !== MessageType.Response) return this.abandon(protocolError(header.type));
    try {
      const payload = readResponse(buffer, start, end);
      const message = this.#connection.decode(this.#bound.method.output, buffer, payload);
      this.#finish();
      this.#settle.resolve(message);
    } catch (error) {
      this.abandon(callError(error));
    }
  }

  abandon(error: StatusError): void {
    if (this.#settled) return;
    this.#finish();
    this.#settle.reject(error);
  }

  #send(message: unknown, options: CompleteCallOptions): void {
    const { method, route } = this.#bound;
    const payload = this.#connection.encode(method.input, message);
    const { timeoutMs, metadata } = options;
    const tail =
      timeoutMs === undefined && metadata === undefined
        ? undefined
        : encodeTail(nanoseconds(timeoutMs), metadata);
    const streamId = this.#connection.allocate();
    writeRequest(this.#connection.output, { streamId, flags: 0, route, payload, tail });
    this.#streamId = streamId;
    this.#connection.register(streamId, this);
  }

  /** Waits for a peer that is slow to read, so that what waits is not encoded yet. */
  #sendLater(message: unknown, options: CompleteCallOptions): void {
    const calledAt = performance.now();
    const send = (): void => {
      if (this.#settled) return;
      if (this.#connection.congested) return wait();
      const { timeoutMs } = options;
      const left =
        timeoutMs === undefined ? undefined : Math.max(timeoutMs - (performance.now() - calledAt), 0.001);
      try {
        this.#send(message, { ...options, timeoutMs: left });
      } catch (error) {
        this.abandon(callError(error));
      }
    };
    const wait = (): void => void this.#connection.drained().then(send);
    wait();
  }

  #finish(): void {
    this.#settled = true;
    this.#release?.();
    this.#connection.forget(this.#streamId);
  }
}

/** Converts a timeout to the wire's unit; 0 is none. */
export function nanoseconds(timeoutMs: number | undefined): bigint {
  return timeoutMs === undefined ? 0n : BigInt(Math.max(1, Math.round(timeoutMs * 1e6)));
}
