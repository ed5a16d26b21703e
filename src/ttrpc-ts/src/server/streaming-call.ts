import { Flag } from '../channel/frame.ts';
import type { StatusError } from '../status-error.ts';
import { ReceiveQueue } from '../stream/receive-queue.ts';
import { ActiveCall, dataError } from './call.ts';
import type { ServerConnection } from './connection.ts';
import { type CallContext, canceledError } from './context.ts';
import type { Route } from './router.ts';

/** A call whose client streams. */
export class StreamingCall extends ActiveCall {
  /** What the client sends. */
  readonly requests: ReceiveQueue<unknown>;
  #remoteClosed = false;

  constructor(connection: ServerConnection, route: Route, call: { streamId: number; context: CallContext }) {
    super(connection, route, call);
    const owner = {
      decode: (payload: Uint8Array) => this.decode(payload),
      onFull: () => connection.hold(this),
      onRoom: () => connection.release(this),
      onStall: () => this.refuse(dataError('ttrpc: stream buffer full')),
      onReturn: () => {},
    };
    this.requests = new ReceiveQueue(owner, connection.limits);
    const { context } = call;
    if (context.timeoutNano === 0n) return;
    const onAbort = (): void => this.requests.abort(context.signal.reason as Error);
    if (context.signal.aborted) onAbort();
    else context.signal.addEventListener('abort', onAbort, { once: true });
  }

  override onData(flags: number, payload: Uint8Array): void {
    if (this.#remoteClosed) {
      this.refuse(dataError('ttrpc: stream closed'));
      return;
    }
    if ((flags & Flag.NoData) === 0) this.requests.push(payload);
    if ((flags & Flag.RemoteClosed) === 0) return;
    this.#remoteClosed = true;
    this.requests.end();
  }

  protected override onEnd(reason: StatusError | undefined): void {
    this.requests.abort(reason ?? canceledError());
  }
}
