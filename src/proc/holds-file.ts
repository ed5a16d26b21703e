import { fstatSync, statSync } from 'node:fs';

/**
 * True where a process's standard output or error is the file behind `fd`, and where nobody can tell: a starter, whose
 * output is a socket, has not become the daemon yet.
 */
export function holdsFile(pid: number, fd: number): boolean {
  const { ino, dev } = fstatSync(fd);
  return [1, 2].some((number) => {
    try {
      const file = statSync(`/proc/${pid}/fd/${number}`);
      return file.isSocket() || (file.ino === ino && file.dev === dev);
    } catch {
      return true;
    }
  });
}
