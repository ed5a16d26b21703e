import { Flag } from '../channel/frame.ts';
import { writeInTurn } from '../channel/send-queue.ts';
import { writeData } from '../envelope/data.ts';
import { writeResponse, writeStatus } from '../envelope/response.ts';
import { Code } from '../code.ts';
import { toStatusError } from '../error-status.ts';
import { StatusError } from '../status-error.ts';
import type { CallContext } from './context.ts';
import type { AnswerPort } from './port.ts';
import type { Route } from './router.ts';

/** One call in flight: it ends once, with one answer or none. */
export class ActiveCall {
  readonly streamId: number;
  readonly route: Route;
  readonly context: CallContext;
  protected readonly port: AnswerPort;
  #ended = false;
  #canceled = false;

  constructor(port: AnswerPort, route: Route, call: { streamId: number; context: CallContext }) {
    this.port = port;
    this.route = route;
    this.streamId = call.streamId;
    this.context = call.context;
  }

  /** Whether nothing more may be sent. Its last answer may still wait for its turn. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Answers with a message, and ends. */
  reply(message: unknown): void {
    if (this.#ended) return;
    this.#end();
    if (this.port.hasRoom) this.#writeReply(message);
    else this.#waitToAnswer(() => this.#writeReply(message));
  }

  /** Answers with what a handler threw, and ends. */
  fail(error: unknown): void {
    if (this.#ended) return;
    const status = toStatusError(error);
    if (status.cause === error) this.port.reportError(error, this.context);
    this.refuse(status);
  }

  /** Answers with a status, and ends. */
  refuse(status: StatusError): void {
    if (this.#ended) return;
    this.#end();
    this.onEnd(status);
    if (this.port.hasRoom) this.#writeStatus(status);
    else this.#waitToAnswer(() => this.#writeStatus(status));
  }

  /** Ends without an answer: the connection is gone. */
  cancel(reason: StatusError): void {
    this.#canceled = true;
    if (this.#ended) return;
    this.#end(reason);
    this.onEnd(reason);
  }

  /** A frame of data came in, in what was `read` from the connection. A call whose client does not stream takes none. */
  onData(flags: number, _payload: Uint8Array, _read: Uint8Array): void {
    if (this.route.method.methodKind === 'server_streaming' && (flags & Flag.NoData) !== 0) return;
    this.refuse(dataError('ttrpc: stream closed'));
  }

  /** Sends one of many answers, at once or in a promised turn. Fails with a `StatusError` where it cannot. */
  send(message: unknown): Promise<void> | undefined {
    if (!this.port.hasRoom) return writeInTurn(this.port, this, () => this.#writeData(message));
    this.#writeData(message);
    return undefined;
  }

  /** Tells the client that no answers follow, and ends. */
  closeStream(): void {
    if (this.#ended) return;
    this.#end();
    if (this.port.hasRoom) this.#writeEnd();
    else this.#waitToAnswer(() => this.#writeEnd());
  }

  /** Encodes an answer. Throws a `StatusError` where there is none, or none of that type. */
  encode(message: unknown): Uint8Array {
    if (message === undefined || message === null) {
      throw new StatusError(Code.Unknown, 'ttrpc: marshal called with nil');
    }
    try {
      return this.port.codec.encode(this.route.method.output, message);
    } catch (cause) {
      throw new StatusError(Code.Internal, `ttrpc: error marshaling payload: ${(cause as Error).message}`, {
        cause,
      });
    }
  }

  /** Decodes a request. Throws a `StatusError` in Go's words where it cannot. */
  decode(payload: Uint8Array): unknown {
    try {
      return this.port.codec.decode(this.route.method.input, payload);
    } catch (cause) {
      const message = `ttrpc: error unmarshalling payload: ${(cause as Error).message}`;
      throw new StatusError(Code.Internal, message, { cause });
    }
  }

  /** What a kind of call has to give back at its end; `error` where it is not its handler that ended it. */
  protected onEnd(_error: StatusError): void {}

  #end(reason?: StatusError): void {
    this.#ended = true;
    this.context.end(reason);
  }

  #waitToAnswer(write: () => void): void {
    // What the call may have waited for before is not sent any more.
    this.port.leave(this);
    this.port.waitToAnswer(this, () => {
      if (!this.#canceled) write();
    });
  }

  #writeReply(message: unknown): void {
    try {
      writeResponse(this.port.output, this.streamId, this.encode(message));
    } catch (error) {
      writeStatus(this.port.output, this.streamId, toStatusError(error));
    }
    this.port.forget(this.streamId);
  }

  #writeStatus(status: StatusError): void {
    writeStatus(this.port.output, this.streamId, status);
    this.port.forget(this.streamId);
  }

  #writeData(message: unknown): void {
    writeData(this.port.output, this.streamId, 0, this.encode(message));
  }

  #writeEnd(): void {
    writeData(this.port.output, this.streamId, Flag.RemoteClosed | Flag.NoData, NO_PAYLOAD);
    this.port.forget(this.streamId);
  }
}

const NO_PAYLOAD = new Uint8Array(0);

/** The error of data that a stream cannot take, in Go's words. */
export function dataError(message: string): StatusError {
  return new StatusError(Code.InvalidArgument, `data handling error: ${message}`);
}
