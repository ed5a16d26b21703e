import { constants } from 'node:os';
import type { ExitStatus } from '../errors.ts';

/** An end as a shell tells it: 128 and the signal's number; 255 where nothing is known. */
export function exitStatusOf({ exitCode, signal }: ExitStatus): number {
  if (exitCode !== undefined) return exitCode;
  return signal === undefined ? 255 : 128 + (constants.signals[signal as NodeJS.Signals] ?? 0);
}
