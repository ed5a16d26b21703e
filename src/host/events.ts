import type { Logger } from 'pino';
import { Listeners } from '../async/listeners.ts';
import type { ShareSnapshot } from './share-snapshot.ts';

/** What happened to a share. */
export interface ShareEvent {
  /** `changed`: its state. `closed`: nothing of it is left. */
  readonly type: 'opened' | 'changed' | 'closed';
  readonly time: Date;
  /** The share as it was then. */
  readonly share: ShareSnapshot;
}

/** What happens to the shares of a host, in order. */
export interface ShareEvents {
  /** Calls the listener with all that happens from now on, at once and in turn, until disposal of what it returns. */
  subscribe(listener: (event: ShareEvent) => void): Disposable;
}

/** Tells of an event; what it is of is only asked where somebody listens. */
export type TellEvent = (type: ShareEvent['type'], share: () => ShareSnapshot) => void;

/** Creates a host's source of events, and what feeds it. */
export function createShareEvents({ log }: { log: Logger }): { events: ShareEvents; tell: TellEvent } {
  const listeners = new Listeners<[ShareEvent]>((error) =>
    log.error({ err: error }, "A listener to the host's events failed"),
  );
  return {
    events: { subscribe: (listener) => listeners.add(listener) },
    tell(type, share) {
      if (!listeners.isEmpty) listeners.call({ type, time: new Date(), share: share() });
    },
  };
}
