import { readFileSync } from 'node:fs';

/** What was counted last: so many at least had been killed when a later watch began. */
let known: number | undefined;
let counting: NodeJS.Timeout | undefined;

/** Of many watches that begin at the same time, one counts, after so many milliseconds. */
const COUNT_MS = 20;

/**
 * Watches from now on, without reading the kernel's counters at once, which takes a tenth of a daemon's start: those are
 * counted too that were killed since the last watch began.
 *
 * @returns how many processes have been killed since, as {@link countMemoryKills} counts them
 */
export function watchMemoryKills(): () => number {
  const before = (known ??= countMemoryKills());
  counting ??= setTimeout(() => {
    counting = undefined;
    known = countMemoryKills();
  }, COUNT_MS).unref();
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
