import type { Message } from '@bufbuild/protobuf';
import { writeInTurn } from '../channel/send-queue.ts';
import { Flag, type FrameHeader, MessageType } from '../channel/frame.ts';
import { writeData } from '../envelope/data.ts';
import { writeRequest } from '../envelope/request.ts';
import { readResponse } from '../envelope/response.ts';
import { Code } from '../code.ts';
import { StatusError } from '../status-error.ts';
import { ReceiveQueue } from '../stream/receive-queue.ts';
import { type Abandonable, guardCall } from './call-guard.ts';
import { type CallOptions, completeCallOptions, type CompleteCallOptions } from './call-options.ts';
import { callError, protocolError } from './errors.ts';
import type { BoundMethod, CallPort, PendingCall } from './port.ts';
import { encodeOptions, sendInTurn } from './send.ts';

/** What opens a stream. */
export interface StreamRequest {
  readonly flags: number;
  readonly options: CallOptions | undefined;
  /** Encodes the request's payload, when it is sent. */
  readonly payload: () => Uint8Array;
  /** The stream is open: data may follow. */
  readonly onOpen?: () => void;
}

/** A call of which either side sends more than one message. */
export class StreamCall implements PendingCall, Abandonable {
  /** What the server sends. */
  readonly answers: ReceiveQueue<Message>;
  /** Called once, when the call has ended. */
  onEnd: (() => void) | undefined;
  readonly #port: CallPort;
  readonly #bound: BoundMethod;
  #streamId = 0;
  #ended = false;
  #release: (() => void) | undefined;

  constructor(port: CallPort, bound: BoundMethod) {
    this.#port = port;
    this.#bound = bound;
    const owner = {
      decode: (payload: Uint8Array) => this.#decode(payload),
      onFull: () => port.hold(this),
      onRoom: () => port.release(this),
      onStall: () => this.fail(new StatusError(Code.ResourceExhausted, 'ttrpc: stream buffer full')),
      onReturn: () => this.#finish(),
    };
    this.answers = new ReceiveQueue(owner, port.limits);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Sends the request. Whatever fails, the consumer of `answers` is told. */
  start(request: StreamRequest): void {
    try {
      const options = completeCallOptions(request.options);
      this.#release = guardCall(this, options);
      if (this.#port.hasRoom) this.#open(request, options);
      else sendInTurn(this.#port, this, { options, write: (left) => this.#open(request, left) });
    } catch (error) {
      this.fail(callError(error));
    }
  }

  /** Sends a message, at once or in a promised turn. Fails with a `StatusError` where it cannot. */
  send(message: unknown): Promise<void> | undefined {
    if (!this.#port.hasRoom) return writeInTurn(this.#port, this, () => this.#write(message));
    this.#write(message);
    return undefined;
  }

  /** Tells the server that no messages follow. */
  closeSend(): Promise<void> {
    const flags = Flag.RemoteClosed | Flag.NoData;
    return writeInTurn(this.#port, this, () =>
      writeData(this.#port.output, this.#streamId, flags, NO_PAYLOAD),
    );
  }

  onFrame(header: Readonly<FrameHeader>, buffer: Buffer, start: number, end: number): void {
    if (header.type === MessageType.Response) this.#onResponse(buffer, start, end);
    else if (header.type === MessageType.Data && this.#serverStreams)
      this.#onData(header.flags, view(buffer, start, end), buffer);
    else this.fail(protocolError(header.type));
  }

  fail(error: StatusError): void {
    if (this.#ended) return;
    this.#finish();
    this.answers.end(error);
  }

  abandon(error: StatusError): void {
    if (this.#ended) return;
    this.#finish();
    this.answers.abort(error);
  }

  #open({ flags, payload, onOpen }: StreamRequest, options: CompleteCallOptions): void {
    const encoded = payload();
    const streamId = this.#port.allocate();
    const { route } = this.#bound;
    writeRequest(this.#port.output, {
      streamId,
      flags,
      route,
      payload: encoded,
      tail: encodeOptions(options),
    });
    this.#streamId = streamId;
    this.#port.register(streamId, this);
    onOpen?.();
  }

  #write(message: unknown): void {
    const payload = this.#port.encode(this.#bound.method.input, message);
    writeData(this.#port.output, this.#streamId, 0, payload);
  }

  #onResponse(buffer: Buffer, start: number, end: number): void {
    this.#finish();
    try {
      const payload = readResponse(buffer, start, end);
      // The answer to a stream of requests may be empty; at the end of a stream of answers that is none.
      if (payload.end > payload.start || !this.#serverStreams) {
        this.answers.push(view(buffer, payload.start, payload.end));
      }
      this.answers.end();
    } catch (error) {
      this.answers.end(callError(error));
    }
  }

  #onData(flags: number, payload: Uint8Array, read: Buffer): void {
    if ((flags & Flag.NoData) === 0) this.answers.push(payload, read);
    if ((flags & Flag.RemoteClosed) === 0) return;
    this.#finish();
    this.answers.end();
  }

  #decode(payload: Uint8Array): Message {
    try {
      return this.#port.decode(this.#bound.method.output, payload);
    } catch (cause) {
      const error = callError(cause);
      this.#finish();
      this.answers.abort(undefined);
      throw error;
    }
  }

  get #serverStreams(): boolean {
    const { methodKind } = this.#bound.method;
    return methodKind === 'server_streaming' || methodKind === 'bidi_streaming';
  }

  #finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#release?.();
    this.#port.forget(this.#streamId, this);
    this.onEnd?.();
  }
}

const NO_PAYLOAD = new Uint8Array(0);

function view(buffer: Buffer, start: number, end: number): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset + start, end - start);
}
