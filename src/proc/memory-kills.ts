import { readFileSync } from 'node:fs';

/** What was counted last: at least so many had been killed when whatever began after it began. */
let known = countMemoryKills();

/**
 * Watches from the next turn of the event loop on: reading the kernel's counters takes a tenth of a daemon's start. For
 * what ends before that, those are counted too that were killed since the last reading.
 *
 * @returns how many processes have been killed since, as {@link countMemoryKills} counts them
 */
export function watchMemoryKills(): () => number {
  let before = known;
  setImmediate(() => {
    before = known = countMemoryKills();
  }).unref();
  return () => countMemoryKills() - before;
}

/** How many processes the kernel has killed for want of memory since boot, in whatever cgroup (Linux 4.13 and newer). */
export function countMemoryKills(): number {
  try {
    return Number(/^oom_kill (\d+)$/m.exec(readFileSync('/proc/vmstat', 'latin1'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
