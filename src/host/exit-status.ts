import { constants } from 'node:os';
import type { ExitStatus } from '../errors.ts';

/** An end as a shell tells it: 128 and the signal's number; 255 where nothing is known, or where 0 hides a failure. */
export function exitStatusOf({ exitCode, signal }: ExitStatus): number {
  if (exitCode !== undefined) return exitCode === 0 ? 255 : exitCode;
  return signal === undefined ? 255 : 128 + (constants.signals[signal as NodeJS.Signals] ?? 0);
}
