import { readdirSync, readFileSync, statSync, type Stats } from 'node:fs';

const UNTOLD: ReadonlySet<unknown> = new Set(['ENOENT', 'ESRCH', 'EACCES', 'EPERM']);

/** What tells a file from others. */
export type FileIdentity = Pick<Stats, 'ino' | 'dev'>;

/**
 * Tells whether a process's standard output or error is that file. It is undefined where nobody can tell: the process
 * is gone, another user's, or a starter, whose output is a socket and which has not become the daemon yet. Throws any
 * other system error.
 */
export function holdsFile(pid: number, file: FileIdentity): boolean | undefined {
  const answers = [1, 2].map((number) => isFile(`/proc/${pid}/fd/${number}`, file));
  if (answers.includes(true)) return true;
  return answers.includes(undefined) ? undefined : false;
}

/** True where a shell that reads its commands has that file open: it opens its output before it has it as its output. */
export function isShellWith(pid: number, file: FileIdentity): boolean {
  try {
    if (readFileSync(`/proc/${pid}/cmdline`, 'latin1') !== '/bin/sh\0-s\0') return false;
    return readdirSync(`/proc/${pid}/fd`).some((fd) => isFile(`/proc/${pid}/fd/${fd}`, file));
  } catch (error) {
    if (UNTOLD.has((error as NodeJS.ErrnoException).code)) return false;
    throw error;
  }
}

function isFile(path: string, { ino, dev }: FileIdentity): boolean | undefined {
  try {
    const stat = statSync(path);
    return stat.isSocket() ? undefined : stat.ino === ino && stat.dev === dev;
  } catch (error) {
    if (UNTOLD.has((error as NodeJS.ErrnoException).code)) return undefined;
    throw error;
  }
}
