import type { Message } from '@bufbuild/protobuf';
import { type FrameHeader, MessageType } from '../channel/frame.ts';
import { readResponse } from '../envelope/response.ts';
import { writeRequest } from '../envelope/request.ts';
import type { StatusError } from '../status-error.ts';
import { type Abandonable, guardCall } from './call-guard.ts';
import { type CallOptions, completeCallOptions, type CompleteCallOptions } from './call-options.ts';
import { callError, protocolError } from './errors.ts';
import type { BoundMethod, CallPort, PendingCall } from './port.ts';
import { encodeOptions, sendInTurn } from './send.ts';

/** Calls a unary method. */
export function callUnary(
  port: CallPort,
  bound: BoundMethod,
  { message, options }: { message: unknown; options: CallOptions | undefined },
): Promise<Message> {
  return new Promise((resolve, reject) => {
    new UnaryCall(port, bound, { resolve, reject }).start(message, options);
  });
}

/** A call that waits for its one answer. */
class UnaryCall implements PendingCall, Abandonable {
  readonly #port: CallPort;
  readonly #bound: BoundMethod;
  readonly #settle: { resolve: (message: Message) => void; reject: (error: StatusError) => void };
  #streamId = 0;
  #ended = false;
  #release: (() => void) | undefined;

  constructor(
    port: CallPort,
    bound: BoundMethod,
    settle: { resolve: (message: Message) => void; reject: (error: StatusError) => void },
  ) {
    this.#port = port;
    this.#bound = bound;
    this.#settle = settle;
  }

  get ended(): boolean {
    return this.#ended;
  }

  start(message: unknown, options: CallOptions | undefined): void {
    try {
      const complete = completeCallOptions(options);
      this.#release = guardCall(this, complete);
      if (this.#port.hasRoom) this.#write(message, complete);
      else sendInTurn(this.#port, this, { options: complete, write: (left) => this.#write(message, left) });
    } catch (error) {
      this.fail(callError(error));
    }
  }

  onFrame(header: Readonly<FrameHeader>, buffer: Buffer, start: number, end: number): void {
    if (header.type !== MessageType.Response) return this.fail(protocolError(header.type));
    try {
      const payload = readResponse(buffer, start, end);
      const bytes = new Uint8Array(
        buffer.buffer,
        buffer.byteOffset + payload.start,
        payload.end - payload.start,
      );
      const message = this.#port.decode(this.#bound.method.output, bytes);
      this.#finish();
      this.#settle.resolve(message);
    } catch (error) {
      this.fail(callError(error));
    }
  }

  abandon(error: StatusError): void {
    this.fail(error);
  }

  fail(error: StatusError): void {
    if (this.#ended) return;
    this.#finish();
    this.#settle.reject(error);
  }

  #write(message: unknown, options: CompleteCallOptions): void {
    const { method, route } = this.#bound;
    const payload = this.#port.encode(method.input, message);
    const tail = encodeOptions(options);
    const streamId = this.#port.allocate();
    writeRequest(this.#port.output, { streamId, flags: 0, route, payload, tail });
    this.#streamId = streamId;
    this.#port.register(streamId, this);
  }

  #finish(): void {
    this.#ended = true;
    this.#release?.();
    this.#port.forget(this.#streamId, this);
  }
}
