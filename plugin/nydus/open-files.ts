import { readFileSync } from 'node:fs';

/** What nydusd would ask for by itself. */
const WANTED = 1_000_000;

/**
 * How many files nydusd may have open: what it wishes for, at most the hard limit that it inherits. It ends at once,
 * with no more words than "Operation not permitted", where it may not raise its limit.
 */
export const openFileLimit = (limits: string = readFileSync('/proc/self/limits', 'utf8')): number => {
  const hard = Number(/^Max open files\s+\S+\s+(\d+)/m.exec(limits)?.[1]);
  return Number.isNaN(hard) ? WANTED : Math.min(WANTED, hard);
};
