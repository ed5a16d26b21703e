import type { Daemon } from '../contract.ts';

/** The best throughput, and a third of the event-loop delay of four (measured with 300 daemons). */
const DAEMONS_AT_A_TIME = 2;
/** How long a daemon that is not ready holds its slot, in milliseconds: by then it waits, and does not work. */
const MAX_HOLD_MS = 1000;

/** Limits how many daemons a host starts at a time. */
export interface Slots {
  /**
   * Calls `start` when a slot is free, and holds the slot until that daemon is ready or has failed, but no longer than
   * a second. Groups take turns, so that one with many starts makes none with few wait for them all. Where `signal`
   * aborts before, it rejects with its reason and never calls.
   */
  run(
    start: () => Promise<Daemon>,
    options: { group: string; signal?: AbortSignal | undefined },
  ): Promise<Daemon>;
}

/** Creates a host's slots. `onFree` is called whenever one is free again. */
export function createSlots(onFree: () => void): Slots {
  const queue = createQueue();
  let free = DAEMONS_AT_A_TIME;

  const serveNext = (): void => {
    if (free === 0) return;
    const begin = queue.take();
    if (!begin) return;
    free--;
    begin();
  };
  const release = (): void => {
    free++;
    onFree();
    serveNext();
  };

  return {
    async run(start, { group, signal }) {
      signal?.throwIfAborted();
      const { promise: turn, resolve, reject } = Promise.withResolvers<void>();
      queue.add(group, resolve);
      const giveUp = (): void => {
        queue.remove(group, resolve);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', giveUp, { once: true });
      serveNext();
      await turn.finally(() => signal?.removeEventListener('abort', giveUp));
      // From here on the start itself heeds the signal, so that no daemon is lost.
      const starting = Promise.try(start);
      void holdFor(starting).then(release);
      return starting;
    },
  };
}

/** Those who wait for a slot, by group; the group that was served longest ago stands first. */
function createQueue(): {
  add(group: string, begin: () => void): void;
  remove(group: string, begin: () => void): void;
  take(): (() => void) | undefined;
} {
  const groups = new Map<string, (() => void)[]>();
  return {
    add(group, begin) {
      groups.set(group, [...(groups.get(group) ?? []), begin]);
    },
    remove(group, begin) {
      const rest = (groups.get(group) ?? []).filter((other) => other !== begin);
      if (rest.length > 0) groups.set(group, rest);
      else groups.delete(group);
    },
    take() {
      for (const [group, [begin, ...rest]] of groups) {
        groups.delete(group);
        if (rest.length > 0) groups.set(group, rest);
        return begin;
      }
      return undefined;
    },
  };
}

/** Resolves when a daemon has no more use for its slot. */
async function holdFor(starting: Promise<Daemon>): Promise<void> {
  const { promise: isLate, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, MAX_HOLD_MS).unref();
  const settled = starting.then(({ ready }) => ready).catch(() => {});
  await Promise.race([settled, isLate]);
  clearTimeout(timer);
}
