import { Channel, closedError } from '../channel/channel.ts';
import { type FrameHeader, MessageType } from '../channel/frame.ts';
import type { Output } from '../channel/output.ts';
import { Code } from '../code.ts';
import type { Codec } from '../codec/codec.ts';
import { oversizeError } from '../envelope/oversize.ts';
import { RequestReader } from '../envelope/request-reader.ts';
import { writeStatus } from '../envelope/response.ts';
import { canceledError } from '../error-status.ts';
import type { Limits } from '../limits.ts';
import { StatusError } from '../status-error.ts';
import type { ActiveCall } from './call.ts';
import { CallContext, type HandlerContext } from './context.ts';
import type { Peer } from './peer.ts';
import type { AnswerPort } from './port.ts';
import type { Route, Router } from './router.ts';
import { serveCall } from './serve.ts';
import { StreamIds } from './stream-ids.ts';

/** What the connections of a server have in common. */
export interface ServerConnectionOptions {
  readonly router: Router;
  readonly codec: Codec;
  readonly limits: Limits;
  readonly onError: ((error: unknown, context: HandlerContext) => void) | undefined;
}

/** The server's side of a connection: the calls in flight by their stream ids. */
export class ServerConnection implements AnswerPort {
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
  readonly #streamIds = new StreamIds();
  #answersWaiting = 0;
  #holding = false;
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

  get hasRoom(): boolean {
    return this.#channel.sends.hasRoom;
  }

  wait(writer: object, onTurn: () => void): void {
    this.#channel.sends.wait(writer, onTurn);
  }

  waitToAnswer(writer: object, onTurn: () => void): void {
    this.#answersWaiting++;
    this.wait(writer, () => {
      this.#answersWaiting--;
      onTurn();
    });
  }

  leave(writer: object): void {
    this.#channel.sends.leave(writer);
  }

  hold(holder: unknown): void {
    this.#channel.hold(holder);
  }

  release(holder: unknown): void {
    this.#channel.release(holder);
  }

  forget(streamId: number): void {
    this.#calls.delete(streamId);
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
      if (call) call.onData(header.flags, view(buffer, start, end), buffer);
      else this.#refuse(streamId, Code.InvalidArgument, 'StreamID is no longer active');
    }
    // Other types are of a later version of the protocol, and to be ignored.
    this.#holdIfCongested();
  }

  onOversize({ streamId, type, length }: Readonly<FrameHeader>): void {
    const call = type === MessageType.Data ? this.#calls.get(streamId) : undefined;
    if (call) call.refuse(oversizeError(length));
    else writeStatus(this.output, streamId, oversizeError(length));
    this.#holdIfCongested();
  }

  onClose(reason: StatusError): void {
    for (const call of this.#calls.values()) call.cancel(canceledError(reason));
    this.#calls.clear();
  }

  #onRequest(streamId: number, buffer: Buffer, start: number, end: number): void {
    if (!this.#streamIds.take(streamId)) {
      this.#refuse(streamId, Code.InvalidArgument, 'StreamID cannot be re-used and must increment');
      return;
    }
    try {
      const request = this.#requests.read(buffer, start, end);
      this.#admit();
      const { timeoutNano, metadata, route } = request;
      const context = new CallContext({ method: route.method, peer: this.peer, timeoutNano, metadata });
      const payload = view(buffer, request.payloadStart, request.payloadEnd);
      serveCall(this, route, { streamId, context, payload, register: this.#register });
    } catch (error) {
      if (StatusError.is(error)) writeStatus(this.output, streamId, error);
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
    writeStatus(this.output, streamId, new StatusError(code, message));
  }

  /** Reads no further requests from a peer that does not read its answers: at most a frame for each turn. */
  #holdIfCongested(): void {
    if (this.#holding || this.hasRoom) return;
    this.#holding = true;
    this.#channel.hold(this);
    this.#channel.sends.wait(this, this.#onTurn);
  }

  /** Reading waits for its turn as writers do, so that streams which always have more cannot keep it from it. */
  readonly #onTurn = (): void => {
    if (this.#answersWaiting > 0 && this.#channel.reason === undefined) {
      this.#channel.sends.wait(this, this.#onTurn);
      return;
    }
    this.#holding = false;
    this.#channel.release(this);
  };

  #endIfIdle(): void {
    if (this.#calls.size === 0) this.#channel.end(closedError(undefined));
  }
}

/** A plain view: a `Buffer` in its place would surprise with another `slice()`. */
function view(buffer: Buffer, start: number, end: number): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset + start, end - start);
}
