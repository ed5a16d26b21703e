import { Code, StatusError } from 'ttrpc-ts';
import { abortable } from '../../async/abortable.ts';
import type { ShareEvent, ShareEvents } from '../../host/events.ts';
import type { ShareSnapshot } from '../../host/share-snapshot.ts';

/** How many events are kept for a watcher that is slow to read. */
export const MAX_EVENTS = 1000;

/** What has happened since a watcher came, and what it has not read yet. Disposal ends it. */
export interface EventQueue extends Disposable {
  /**
   * Resolves to the next event, when there is one.
   *
   * @throws StatusError ResourceExhausted behind the last event before the first that was lost; the signal's reason
   */
  next(signal: AbortSignal): Promise<ShareEvent>;
}

/** Begins to keep the events of these shares. After the first that finds no room, no further one is kept. */
export function openEventQueue(events: ShareEvents, isWanted: (share: ShareSnapshot) => boolean): EventQueue {
  const kept: ShareEvent[] = [];
  let lost = 0;
  let arrive: (() => void) | undefined;
  const subscription = events.subscribe((event) => {
    if (!isWanted(event.share)) return;
    if (lost > 0 || kept.length === MAX_EVENTS) lost++;
    else kept.push(event);
    arrive?.();
  });
  return {
    async next(signal) {
      if (kept.length === 0 && lost === 0) {
        const { promise: arrival, resolve } = Promise.withResolvers<void>();
        arrive = resolve;
        await abortable(arrival, signal);
      }
      const event = kept.shift();
      if (event) return event;
      const message = `The watcher reads too slowly: ${lost} of the events are lost; watch again, which begins with the present state`;
      throw new StatusError(Code.ResourceExhausted, message);
    },
    [Symbol.dispose]: () => subscription[Symbol.dispose](),
  };
}
