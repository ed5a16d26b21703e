import { statSync, type Stats } from 'node:fs';

const UNTOLD: ReadonlySet<unknown> = new Set(['ENOENT', 'ESRCH', 'EACCES', 'EPERM']);

/**
 * Tells whether a process's standard output or error is that file. It is undefined where nobody can tell: the process
 * is gone, another user's, or a starter, whose output is a socket and which has not become the daemon yet. Throws any
 * other system error.
 */
export function holdsFile(pid: number, file: Pick<Stats, 'ino' | 'dev'>): boolean | undefined {
  const answers = [1, 2].map((number) => isFile(`/proc/${pid}/fd/${number}`, file));
  if (answers.includes(true)) return true;
  return answers.includes(undefined) ? undefined : false;
}

function isFile(path: string, { ino, dev }: Pick<Stats, 'ino' | 'dev'>): boolean | undefined {
  try {
    const stat = statSync(path);
    return stat.isSocket() ? undefined : stat.ino === ino && stat.dev === dev;
  } catch (error) {
    if (UNTOLD.has((error as NodeJS.ErrnoException).code)) return undefined;
    throw error;
  }
}
