import { type Duplex } from 'node:stream';
import type { DescMessage, DescMethod, Message } from '@bufbuild/protobuf';
import { Channel, closedError } from '../channel/channel.ts';
import type { FrameHeader } from '../channel/frame.ts';
import type { Output } from '../channel/output.ts';
import { Code } from '../code.ts';
import type { Codec } from '../codec/codec.ts';
import { oversizeError } from '../envelope/oversize.ts';
import { encodeRoute } from '../envelope/request.ts';
import type { Limits } from '../limits.ts';
import { StatusError } from '../status-error.ts';
import { bindMethod } from './bind.ts';
import type { ClientInterceptor } from './interceptor.ts';
import type { Transport } from './transport.ts';

/** A method with what every call of it needs. */
export interface BoundMethod {
  readonly method: DescMethod;
  readonly route: Uint8Array;
}

/** A call that waits for frames. Its methods do not throw. */
export interface PendingCall {
  /** Whether it has its answer, or was abandoned. */
  readonly ended: boolean;
  onFrame(header: Readonly<FrameHeader>, buffer: Buffer, start: number, end: number): void;
  /** Ends the call with an error. Does nothing to one that has ended. */
  abandon(error: StatusError): void;
  /** The connection has ended, and with it the call. */
  onClose(reason: StatusError): void;
}

/** What a client connection is made from. */
export interface ClientConnectionOptions {
  readonly codec: Codec;
  readonly limits: Limits;
  readonly interceptors: readonly ClientInterceptor[];
}

/** The client's side of a connection: the calls in flight by their stream ids. */
export class ClientConnection implements Transport {
  readonly closed: Promise<StatusError>;
  readonly limits: Limits;
  readonly output: Output;
  readonly #channel: Channel;
  readonly #codec: Codec;
  readonly #interceptors: readonly ClientInterceptor[];
  readonly #calls = new Map<number, PendingCall>();
  #nextStreamId = 1;

  constructor(stream: Duplex, options: ClientConnectionOptions) {
    this.limits = options.limits;
    this.#codec = options.codec;
    this.#interceptors = options.interceptors;
    this.#channel = new Channel(stream, this, options.limits);
    this.output = this.#channel.output;
    this.closed = this.#channel.closed;
  }

  /** Whether senders should wait for `drained()`. */
  get congested(): boolean {
    return this.#channel.congested;
  }

  bind(method: DescMethod): (input: never, options?: never) => unknown {
    const route = encodeRoute(method.parent.typeName, method.name);
    return bindMethod(this, { method, route }, this.#interceptors);
  }

  async close(): Promise<void> {
    this.#channel.destroy(closedError(undefined));
    await this.closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Returns the next stream id, or throws where the connection has ended or has none left. */
  allocate(): number {
    if (this.#channel.reason) throw this.#channel.reason;
    const streamId = this.#nextStreamId;
    if (streamId > maxStreamId)
      throw new StatusError(Code.Unavailable, 'All stream ids of this connection are used up');
    this.#nextStreamId = streamId + 2;
    return streamId;
  }

  /** Directs the frames of a stream to a call. */
  register(streamId: number, call: PendingCall): void {
    this.#calls.set(streamId, call);
  }

  /** Lets the frames of a stream fall. */
  forget(streamId: number): void {
    this.#calls.delete(streamId);
  }

  encode(schema: DescMessage, message: unknown): Uint8Array {
    return this.#codec.encode(schema, message);
  }

  decode(schema: DescMessage, payload: Uint8Array): Message {
    return this.#codec.decode(schema, payload);
  }

  drained(): Promise<void> {
    return this.#channel.drained();
  }

  /** Reads nothing further until `release()` with the same holder. */
  hold(holder: unknown): void {
    this.#channel.hold(holder);
  }

  release(holder: unknown): void {
    this.#channel.release(holder);
  }

  onFrame(header: Readonly<FrameHeader>, buffer: Buffer, start: number, end: number): void {
    // A frame of an unknown stream is a late one of an abandoned call.
    this.#calls.get(header.streamId)?.onFrame(header, buffer, start, end);
  }

  onOversize(header: Readonly<FrameHeader>): void {
    this.#calls.get(header.streamId)?.abandon(oversizeError(header.length));
  }

  onClose(reason: StatusError): void {
    for (const call of this.#calls.values()) call.onClose(reason);
    this.#calls.clear();
  }
}

const maxStreamId = 0xffff_ffff;
