import type { Message } from '@bufbuild/protobuf';
import { Flag, type FrameHeader, MessageType } from '../channel/frame.ts';
import { writeRequest } from '../envelope/request.ts';
import { readResponse } from '../envelope/response.ts';
import { Code } from '../code.ts';
import { StatusError } from '../status-error.ts';
import { ReceiveQueue } from '../stream/receive-queue.ts';
import { guardCall } from './call-guard.ts';
import { type CallOptions, completeCallOptions, type CompleteCallOptions } from './call-options.ts';
import type { BoundMethod, ClientConnection, PendingCall } from './connection.ts';
import { callError, protocolError } from './errors.ts';
import { encodeOptions, sendLater } from './send.ts';

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
export class StreamCall implements PendingCall {
  /** What the server sends. */
  readonly answers: ReceiveQueue<Message>;
  readonly bound: BoundMethod;
  readonly connection: ClientConnection;
  /** Called once, when the call has ended. */
  onEnd: (() => void) | undefined;
  #streamId = 0;
  #ended = false;
  #release: (() => void) | undefined;

  constructor(connection: ClientConnection, bound: BoundMethod) {
    this.connection = connection;
    this.bound = bound;
    const owner = {
      decode: (payload: Uint8Array) => this.#decode(payload),
      onFull: () => connection.hold(this),
      onRoom: () => connection.release(this),
      onStall: () => this.abandon(new StatusError(Code.ResourceExhausted, 'ttrpc: stream buffer full')),
      onReturn: () => this.#finish(),
    };
    this.answers = new ReceiveQueue(owner, connection.limits);
  }

  get streamId(): number {
    return this.#streamId;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Sends the request. Whatever fails, the consumer of `answers` is told. */
  start(request: StreamRequest): void {
    try {
      const options = completeCallOptions(request.options);
      this.#release = guardCall(this, options);
      const send = (left: CompleteCallOptions): void => this.#open(request, left);
      if (this.connection.congested) sendLater(this.connection, this, { options, send });
      else send(options);
    } catch (error) {
      this.abandon(callError(error));
    }
  }

  onFrame(header: Readonly<FrameHeader>, buffer: Buffer, start: number, end: number): void {
    if (header.type === MessageType.Response) this.#onResponse(buffer, start, end);
    else if (header.type === MessageType.Data && this.#serverStreams)
      this.#onData(header.flags, buffer.subarray(start, end));
    else this.abandon(protocolError(header.type));
  }

  /** Ends the call with an error, which takes the place of answers that were not consumed. */
  abandon(error: StatusError): void {
    if (this.#ended) return;
    this.#finish();
    this.answers.abort(error);
  }

  /** The connection has ended: what has arrived may still be consumed. */
  onClose(reason: StatusError): void {
    if (this.#ended) return;
    this.#finish();
    this.answers.end(reason);
  }

  #open({ flags, payload, onOpen }: StreamRequest, options: CompleteCallOptions): void {
    const encoded = payload();
    const streamId = this.connection.allocate();
    const { route } = this.bound;
    writeRequest(this.connection.output, {
      streamId,
      flags,
      route,
      payload: encoded,
      tail: encodeOptions(options),
    });
    this.#streamId = streamId;
    this.connection.register(streamId, this);
    onOpen?.();
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

  #onData(flags: number, payload: Buffer): void {
    if ((flags & Flag.NoData) === 0) this.answers.push(view(payload, 0, payload.length));
    if ((flags & Flag.RemoteClosed) === 0) return;
    this.#finish();
    this.answers.end();
  }

  #decode(payload: Uint8Array): Message {
    try {
      return this.connection.decode(this.bound.method.output, payload);
    } catch (cause) {
      const error = callError(cause);
      this.#finish();
      this.answers.abort(undefined);
      throw error;
    }
  }

  get #serverStreams(): boolean {
    const { methodKind } = this.bound.method;
    return methodKind === 'server_streaming' || methodKind === 'bidi_streaming';
  }

  #finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#release?.();
    this.connection.forget(this.#streamId);
    this.onEnd?.();
  }
}

function view(buffer: Buffer, start: number, end: number): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset + start, end - start);
}
