import { type Duplex } from 'node:stream';
import type { DescMessage, Message } from '@bufbuild/protobuf';
import { Channel, closedError } from '../channel/channel.ts';
import type { FrameHeader } from '../channel/frame.ts';
import type { Output } from '../channel/output.ts';
import { Code } from '../code.ts';
import type { Codec } from '../codec/codec.ts';
import { oversizeError } from '../envelope/oversize.ts';
import type { Limits } from '../limits.ts';
import { StatusError } from '../status-error.ts';
import type { CallPort, PendingCall } from './port.ts';

/** The client's side of a connection: the calls in flight by their stream ids. */
export class ClientConnection implements CallPort {
  /** Settles when the connection is gone. */
  readonly closed: Promise<StatusError>;
  readonly limits: Limits;
  readonly output: Output;
  readonly #channel: Channel;
  readonly #codec: Codec;
  readonly #calls = new Map<number, PendingCall>();
  #nextStreamId = 1;

  constructor(stream: Duplex, options: { codec: Codec; limits: Limits }) {
    this.limits = options.limits;
    this.#codec = options.codec;
    this.#channel = new Channel(stream, this, options.limits);
    this.output = this.#channel.output;
    this.closed = this.#channel.closed;
  }

  /** Fails what is in flight, closes, and waits until the connection is gone. */
  async close(): Promise<void> {
    this.#channel.destroy(closedError(undefined));
    await this.closed;
  }

  get reason(): StatusError | undefined {
    return this.#channel.reason;
  }

  get hasRoom(): boolean {
    return this.#channel.sends.hasRoom;
  }

  wait(writer: object, onTurn: () => void): void {
    this.#channel.sends.wait(writer, onTurn);
  }

  leave(writer: object): void {
    this.#channel.sends.leave(writer);
  }

  allocate(): number {
    if (this.#channel.reason) throw this.#channel.reason;
    const streamId = this.#nextStreamId;
    if (streamId > MAX_STREAM_ID)
      throw new StatusError(Code.Unavailable, 'All stream ids of this connection are used up');
    this.#nextStreamId = streamId + 2;
    return streamId;
  }

  register(streamId: number, call: PendingCall): void {
    this.#calls.set(streamId, call);
  }

  forget(streamId: number, call: PendingCall): void {
    this.#calls.delete(streamId);
    this.#channel.sends.leave(call);
  }

  encode(schema: DescMessage, message: unknown): Uint8Array {
    return this.#codec.encode(schema, message);
  }

  decode(schema: DescMessage, payload: Uint8Array): Message {
    return this.#codec.decode(schema, payload);
  }

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
    this.#calls.get(header.streamId)?.fail(oversizeError(header.length));
  }

  onClose(reason: StatusError): void {
    for (const call of this.#calls.values()) call.fail(reason);
    this.#calls.clear();
  }
}

const MAX_STREAM_ID = 0xffff_ffff;
