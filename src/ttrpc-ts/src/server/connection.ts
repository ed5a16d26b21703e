import { Channel, closedError } from '../channel/channel.ts';
import { type FrameHeader, MessageType } from '../channel/frame.ts';
import type { Output } from '../channel/output.ts';
import { Code } from '../code.ts';
import type { Codec } from '../codec/codec.ts';
import { oversizeError } from '../envelope/oversize.ts';
import { RequestReader } from '../envelope/request-reader.ts';
import { writeStatus } from '../envelope/response.ts';
import type { Limits } from '../limits.ts';
import { StatusError } from '../status-error.ts';
import type { ActiveCall } from './call.ts';
import { CallContext, canceledError, type HandlerContext } from './context.ts';
import type { Peer } from './peer.ts';
import type { Route, Router } from './router.ts';
import { serveCall } from './serve.ts';

/** What the connections of a server have in common. */
export interface ServerConnectionOptions {
  readonly router: Router;
  readonly codec: Codec;
  readonly limits: Limits;
  readonly onError: ((error: unknown, context: HandlerContext) => void) | undefined;
}

/** The server's side of a connection: the calls in flight by their stream ids. */
export class ServerConnection {
  /** Settles when the connection is gone. */
  readonly closed: Promise<StatusError>;
  readonly codec: Codec;
  readonly limits: Limits;
  readonly output: Output;
  readonly peer: Peer;
  readonly #channel: Channel;
  readonly #requests: RequestReader<Route>;
  readonly #onError: ServerConnectionOptions['onError'];
  readonly #calls = new Map<number, ActiveCall>();
  #lastStreamId = 0;
  #draining = false;

  constructor(peer: Peer, options: ServerConnectionOptions) {
    this.peer = peer;
    this.codec = options.codec;
    this.limits = options.limits;
    this.#onError = options.onError;
    this.#requests = new RequestReader(options.router);
    this.#channel = new Channel(peer.stream, this, options.limits);
    this.output = this.#channel.output;
    this.closed = this.#channel.closed;
  }

  /** Refuses further calls, and closes when the present ones are answered. */
  drain(): void {
    this.#draining = true;
    this.#endIfIdle();
  }

  /** Cancels what is in flight and closes. */
  close(): void {
    this.#channel.destroy(new StatusError(Code.Unavailable, 'ttrpc: server closed'));
  }

  /** Whether senders should wait for `drained()`. */
  get congested(): boolean {
    return this.#channel.congested;
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

  /** Lets go of a call that has ended. */
  forget(streamId: number): void {
    this.#calls.delete(streamId);
    this.#holdIfCongested();
    if (this.#draining) this.#endIfIdle();
  }

  reportError(error: unknown, context: HandlerContext): void {
    try {
      this.#onError?.(error, context);
    } catch {
      // A broken reporter must not take the caller's answer away.
    }
  }

  onFrame(header: Readonly<FrameHeader>, buffer: Buffer, start: number, end: number): void {
    const { streamId, type } = header;
    if (streamId % 2 === 0) {
      this.#refuse(streamId, Code.InvalidArgument, 'StreamID must be odd for client initiated streams');
    } else if (type === MessageType.Request) {
      this.#onRequest(streamId, buffer, start, end);
    } else if (type === MessageType.Data) {
      const call = this.#calls.get(streamId);
      if (call) call.onData(header.flags, view(buffer, start, end));
      else this.#refuse(streamId, Code.InvalidArgument, 'StreamID is no longer active');
    }
    // Other types are of a later version of the protocol, and to be ignored.
  }

  onOversize({ streamId, length }: Readonly<FrameHeader>): void {
    this.#writeStatus(streamId, oversizeError(length));
  }

  onClose(reason: StatusError): void {
    for (const call of this.#calls.values()) call.cancel(canceledError(reason));
    this.#calls.clear();
  }

  #onRequest(streamId: number, buffer: Buffer, start: number, end: number): void {
    if (streamId <= this.#lastStreamId) {
      this.#refuse(streamId, Code.InvalidArgument, 'StreamID cannot be re-used and must increment');
      return;
    }
    this.#lastStreamId = streamId;
    try {
      const request = this.#requests.read(buffer, start, end);
      this.#admit();
      const { timeoutNano, metadata, route } = request;
      const context = new CallContext({ method: route.method, peer: this.peer, timeoutNano, metadata });
      const payload = view(buffer, request.payloadStart, request.payloadEnd);
      serveCall(this, route, { streamId, context, payload, register: this.#register });
    } catch (error) {
      if (StatusError.is(error)) this.#writeStatus(streamId, error);
      else
        this.#refuse(streamId, Code.InvalidArgument, `unmarshal request error: ${(error as Error).message}`);
    }
  }

  readonly #register = (call: ActiveCall): void => {
    this.#calls.set(call.streamId, call);
  };

  #admit(): void {
    if (this.#draining) throw new StatusError(Code.Unavailable, 'The server is shutting down');
    if (this.#calls.size < this.limits.maxConcurrentCalls) return;
    throw new StatusError(
      Code.ResourceExhausted,
      `${this.#calls.size} calls are in flight on this connection`,
    );
  }

  #refuse(streamId: number, code: Code, message: string): void {
    this.#writeStatus(streamId, new StatusError(code, message));
  }

  #writeStatus(streamId: number, status: StatusError): void {
    writeStatus(this.output, streamId, status);
    this.#holdIfCongested();
  }

  /** Reads no further requests from a peer that does not read its answers. */
  #holdIfCongested(): void {
    if (!this.#channel.congested) return;
    this.#channel.hold(this);
    void this.#channel.drained().then(() => this.#channel.release(this));
  }

  #endIfIdle(): void {
    if (this.#calls.size === 0) this.#channel.end(closedError(undefined));
  }
}

/** A plain view: a `Buffer` in its place would surprise with another `slice()`. */
function view(buffer: Buffer, start: number, end: number): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset + start, end - start);
}
