import type { Message } from '@bufbuild/protobuf';
import { type FrameHeader, MessageType } from '../channel/frame.ts';
import { readResponse } from '../envelope/response.ts';
import { writeRequest } from '../envelope/request.ts';
import type { StatusError } from '../status-error.ts';
import { guardCall } from './call-guard.ts';
import { type CallOptions, completeCallOptions, type CompleteCallOptions } from './call-options.ts';
import type { BoundMethod, ClientConnection, PendingCall } from './connection.ts';
import { callError, protocolError } from './errors.ts';
import { encodeOptions, sendLater } from './send.ts';

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
      if (this.#connection.congested)
        sendLater(this.#connection, this, { options: complete, send: (left) => this.#send(message, left) });
      else this.#send(message, complete);
    } catch (error) {
      this.abandon(callError(error));
    }
  }

  onFrame(header: Readonly<FrameHeader>, buffer: Buffer, start: number, end: number): void {
    if (header.type !== MessageType.Response) return this.abandon(protocolError(header.type));
    try {
      const payload = readResponse(buffer, start, end);
      const bytes = new Uint8Array(
        buffer.buffer,
        buffer.byteOffset + payload.start,
        payload.end - payload.start,
      );
      const message = this.#connection.decode(this.#bound.method.output, bytes);
      this.#finish();
      this.#settle.resolve(message);
    } catch (error) {
      this.abandon(callError(error));
    }
  }

  get ended(): boolean {
    return this.#settled;
  }

  abandon(error: StatusError): void {
    if (this.#settled) return;
    this.#finish();
    this.#settle.reject(error);
  }

  onClose(reason: StatusError): void {
    this.abandon(reason);
  }

  #send(message: unknown, options: CompleteCallOptions): void {
    const { method, route } = this.#bound;
    const payload = this.#connection.encode(method.input, message);
    const tail = encodeOptions(options);
    const streamId = this.#connection.allocate();
    writeRequest(this.#connection.output, { streamId, flags: 0, route, payload, tail });
    this.#streamId = streamId;
    this.#connection.register(streamId, this);
  }

  #finish(): void {
    this.#settled = true;
    this.#release?.();
    this.#connection.forget(this.#streamId);
  }
}
