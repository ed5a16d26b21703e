import { Flag } from '../channel/frame.ts';
import { canceledError } from '../error-status.ts';
import type { StatusError } from '../status-error.ts';
import { ReceiveQueue } from '../stream/receive-queue.ts';
import { ActiveCall, dataError } from './call.ts';
import type { CallContext } from './context.ts';
import type { AnswerPort } from './port.ts';
import type { Route } from './router.ts';

/** A call whose client streams. */
export class StreamingCall extends ActiveCall {
  /** What the client sends. */
  readonly requests: ReceiveQueue<unknown>;
  #remoteClosed = false;

  constructor(port: AnswerPort, route: Route, call: { streamId: number; context: CallContext }) {
    super(port, route, call);
    const owner = {
      decode: (payload: Uint8Array) => this.decode(payload),
      onFull: () => port.hold(this),
      onRoom: () => port.release(this),
      onStall: () => this.refuse(dataError('ttrpc: stream buffer full')),
      onReturn: () => {},
    };
    this.requests = new ReceiveQueue(owner, port.limits);
    const { context } = call;
    if (context.timeoutNano === 0n) return;
    const onAbort = (): void => {
      if (!this.ended) this.requests.abort(context.signal.reason as Error);
    };
    if (context.signal.aborted) onAbort();
    else context.signal.addEventListener('abort', onAbort, { once: true });
  }

  override reply(message: unknown): void {
    this.#drop();
    super.reply(message);
  }

  override closeStream(): void {
    this.#drop();
    super.closeStream();
  }

  override onData(flags: number, payload: Uint8Array, read: Uint8Array): void {
    if (this.#remoteClosed) {
      this.refuse(dataError('ttrpc: stream closed'));
      return;
    }
    if ((flags & Flag.NoData) === 0) this.requests.push(payload, read);
    if ((flags & Flag.RemoteClosed) === 0) return;
    this.#remoteClosed = true;
    this.requests.end();
  }

  protected override onEnd(error: StatusError): void {
    this.requests.end(error);
  }

  /** The handler has returned: nobody reads what is left. */
  #drop(): void {
    this.requests.abort(canceledError());
  }
}
