import pLimit from 'p-limit';
import type { Daemon } from '../daemon.ts';

/** The best throughput, and a third of the event-loop delay of four (measured with 300 daemons). */
const DAEMONS_AT_A_TIME = 2;

/** Limits how many daemons a host starts at a time. */
export interface Slots {
  /**
   * Calls `start` when a slot is free, and holds the slot until that daemon is ready or has failed. Where `signal`
   * aborts before, it rejects with its reason and never calls.
   */
  run(start: () => Promise<Daemon>, options: { signal?: AbortSignal | undefined }): Promise<Daemon>;
}

/** Creates a host's slots. `onFree` is called whenever one is free again. */
export function createSlots(onFree: () => void): Slots {
  const limit = pLimit(DAEMONS_AT_A_TIME);
  return {
    async run(start, { signal }) {
      signal?.throwIfAborted();
      const { promise, resolve, reject } = Promise.withResolvers<Daemon>();
      const giveUp = (): void => reject(signal?.reason);
      signal?.addEventListener('abort', giveUp, { once: true });
      void limit(async () => {
        signal?.removeEventListener('abort', giveUp);
        if (signal?.aborted) return;
        // Not start() alone: where it throws at once, nobody would get to know.
        const starting = Promise.try(start);
        // From here on the start itself heeds the signal, so that no daemon is lost.
        resolve(starting);
        await starting.then(({ ready }) => ready).catch(() => {});
        onFree();
      });
      return promise;
    },
  };
}
