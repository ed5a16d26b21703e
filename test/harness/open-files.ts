import { readdirSync, readlinkSync } from 'node:fs';

/** The files of a process in /proc that this one has open. */
export function openFilesOf(pid: number): string[] {
  const targets = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return '';
    }
  });
  return targets.filter((target) => target.startsWith(`/proc/${pid}/`)).toSorted();
}
