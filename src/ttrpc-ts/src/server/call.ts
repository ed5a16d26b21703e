import { Flag } from '../channel/frame.ts';
import { writeData } from '../envelope/data.ts';
import { writeResponse, writeStatus } from '../envelope/response.ts';
import { Code } from '../code.ts';
import { toStatusError } from '../error-status.ts';
import { StatusError } from '../status-error.ts';
import type { CallContext } from './context.ts';
import type { ServerConnection } from './connection.ts';
import type { Route } from './router.ts';

/** One call in flight: it ends once, with one answer or none. */
export class ActiveCall {
  readonly streamId: number;
  readonly route: Route;
  readonly context: CallContext;
  readonly connection: ServerConnection;
  #ended = false;

  constructor(connection: ServerConnection, route: Route, call: { streamId: number; context: CallContext }) {
    this.connection = connection;
    this.route = route;
    this.streamId = call.streamId;
    this.context = call.context;
  }

  /** Whether nothing more may be sent. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Answers with a message, and ends. */
  reply(message: unknown): void {
    if (this.#ended) return;
    let payload: Uint8Array;
    try {
      payload = this.encode(message);
      writeResponse(this.connection.output, this.streamId, payload);
    } catch (error) {
      this.refuse(toStatusError(error));
      return;
    }
    this.#end();
  }

  /** Answers with what a handler threw, and ends. */
  fail(error: unknown): void {
    if (this.#ended) return;
    const status = toStatusError(error);
    if (status.cause === error) this.connection.reportError(error, this.context);
    this.refuse(status);
  }

  /** Answers with a status, and ends. */
  refuse(status: StatusError): void {
    if (this.#ended) return;
    writeStatus(this.connection.output, this.streamId, status);
    this.#end();
  }

  /** Ends without an answer: the connection is gone. */
  cancel(reason: StatusError): void {
    if (this.#ended) return;
    this.#end(reason);
  }

  /** A frame of data came in. A call whose client does not stream takes none. */
  onData(flags: number, _payload: Uint8Array): void {
    if (this.route.method.methodKind === 'server_streaming' && (flags & Flag.NoData) !== 0) return;
    this.refuse(dataError('ttrpc: stream closed'));
  }

  /** Sends one of many answers. Throws a `StatusError` where it cannot. */
  send(message: unknown): void {
    writeData(this.connection.output, this.streamId, 0, this.encode(message));
  }

  /** Tells the client that no answers follow, and ends. */
  closeStream(): void {
    if (this.#ended) return;
    writeData(this.connection.output, this.streamId, Flag.RemoteClosed | Flag.NoData, noPayload);
    this.#end();
  }

  /** Encodes an answer. Throws a `StatusError` where there is none, or none of that type. */
  encode(message: unknown): Uint8Array {
    if (message === undefined || message === null) {
      throw new StatusError(Code.Unknown, 'ttrpc: marshal called with nil');
    }
    try {
      return this.connection.codec.encode(this.route.method.output, message);
    } catch (cause) {
      throw new StatusError(Code.Internal, `ttrpc: error marshaling payload: ${(cause as Error).message}`, {
        cause,
      });
    }
  }

  /** Decodes a request. Throws a `StatusError` in Go's words where it cannot. */
  decode(payload: Uint8Array): unknown {
    try {
      return this.connection.codec.decode(this.route.method.input, payload);
    } catch (cause) {
      const message = `ttrpc: error unmarshalling payload: ${(cause as Error).message}`;
      throw new StatusError(Code.Internal, message, { cause });
    }
  }

  /** What a kind of call has to give back at its end. */
  protected onEnd(_reason: StatusError | undefined): void {}

  #end(reason?: StatusError): void {
    this.#ended = true;
    this.context.end(reason);
    this.onEnd(reason);
    this.connection.forget(this.streamId);
  }
}

const noPayload = new Uint8Array(0);

/** The error of data that a stream cannot take, in Go's words. */
export function dataError(message: string): StatusError {
  return new StatusError(Code.InvalidArgument, `data handling error: ${message}`);
}
