import pLimit from 'p-limit';
import type { Daemon } from '../daemon.ts';
import type { Launcher } from './launcher.ts';
import type { DaemonSlots } from '../../share/contract.ts';

/** The best throughput, and a third of the event-loop delay of four (measured with 300 daemons). */
const DAEMONS_AT_A_TIME = 2;

/**
 * Limits how many daemons a host starts at a time; a slot is free again when its daemon is ready or has failed. Then
 * the launcher prepares for the next.
 */
export function createSlots(launcher?: Launcher): DaemonSlots {
  const limit = pLimit(DAEMONS_AT_A_TIME);
  return async (start, { signal } = {}) => {
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<Daemon>();
    const giveUp = (): void => reject(signal?.reason);
    signal?.addEventListener('abort', giveUp, { once: true });
    void limit(async () => {
      signal?.removeEventListener('abort', giveUp);
      if (signal?.aborted) return;
      // Not start() alone: what it throws at once would be nobody's.
      const starting = Promise.try(start, launcher);
      // From here on the start itself heeds the signal, so that no daemon is lost.
      resolve(starting);
      await starting.then(({ ready }) => ready).catch(() => {});
      launcher?.prepare();
    });
    return promise;
  };
}
