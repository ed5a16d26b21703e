import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { setInterval as every } from 'node:timers/promises';
import { ReaderGone } from './output.ts';

const LOOK_MS = 500;
const STDOUT = 1;

/**
 * Rejects when nobody reads standard output any more, where it is a pipe: a program that has nothing to write would
 * not learn of it.
 *
 * @throws ReaderGone; AbortError
 */
export async function untilReaderGone(signal: AbortSignal): Promise<never> {
  for await (const _ of every(LOOK_MS, undefined, { signal })) {
    if (isReaderGone()) throw new ReaderGone('Nobody reads standard output');
  }
  throw new Error('Not reached');
}

/** A pipe opened anew for writing, without waiting, tells whether it has a reader (fifo(7): ENXIO). */
function isReaderGone(): boolean {
  if (!fstatSync(STDOUT).isFIFO()) return false;
  try {
    closeSync(openSync(`/proc/self/fd/${STDOUT}`, constants.O_WRONLY | constants.O_NONBLOCK));
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENXIO';
  }
}
