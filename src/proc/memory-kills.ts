import { readFileSync } from 'node:fs';

/**
 * Watches from the next turn of the event loop on: reading the kernel's counters takes a tenth of a daemon's start.
 *
 * @returns how many processes have been killed since, as {@link countMemoryKills} counts them
 */
export function watchMemoryKills(): () => number {
  let before: number | undefined;
  setImmediate(() => {
    before = countMemoryKills();
  }).unref();
  return () => (before === undefined ? 0 : countMemoryKills() - before);
}

/** How many processes the kernel has killed for want of memory since boot, in whatever cgroup (Linux 4.13 and newer). */
export function countMemoryKills(): number {
  try {
    return Number(/^oom_kill (\d+)$/m.exec(readFileSync('/proc/vmstat', 'latin1'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
