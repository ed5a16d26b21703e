import { readFileSync } from 'node:fs';

/** How many processes the kernel has killed for want of memory since boot, in whatever cgroup (Linux 4.13 and newer). */
export function countMemoryKills(): number {
  try {
    return Number(/^oom_kill (\d+)$/m.exec(readFileSync('/proc/vmstat', 'latin1'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
