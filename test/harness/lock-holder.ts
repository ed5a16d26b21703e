import { readFileSync, statSync } from 'node:fs';

/** The process that holds the flock(2) lock of a file; undefined while nobody does. */
export function lockHolder(path: string): number | undefined {
  const inode = statSync(path, { throwIfNoEntry: false })?.ino;
  for (const line of readFileSync('/proc/locks', 'utf8').split('\n')) {
    const [, kind, , , pid, file] = line.split(/\s+/);
    // One that waits for the lock has an arrow before its kind.
    if (kind === 'FLOCK' && file?.endsWith(`:${inode}`)) return Number(pid);
  }
  return undefined;
}

/** Waits without letting this process do anything else, so that somebody else is faster. */
export function blockUntil(condition: () => boolean): void {
  const nothing = new Int32Array(new SharedArrayBuffer(4));
  while (!condition()) Atomics.wait(nothing, 0, 0, 2);
}
