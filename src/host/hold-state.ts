import type { Logger } from 'pino';
import type { Lock } from '../proc/flock.ts';
import { removeEmptyScratch, warnOfScratch } from '../share/scratch.ts';
import { makeFolders, type StateDirectory } from '../share/state-directory.ts';
import { keepLock, type KeptLock } from './keep-lock.ts';

/** How often a reserve that was used is taken again, where there is room, in milliseconds. */
const RESERVE_MS = 10_000;

/**
 * Has a state directory whose lock was taken. Disposal gives up its reserve, what is empty of its scratch directory, and
 * last the lock; so does a failure.
 */
export async function holdState(
  stateDir: StateDirectory,
  lock: Lock,
  { take, log }: { take: () => Promise<Lock>; log: Logger },
): Promise<KeptLock> {
  await using stack = new AsyncDisposableStack();
  const { lost } = stack.use(keepLock(stateDir, lock, { take, log }));
  // Another host that had it may have removed some at its end.
  makeFolders(stateDir.folders);
  stack.defer(async () => {
    if (stateDir.isInPlace()) await removeEmptyScratch(stateDir);
  });
  stack.use(keepReserve(stateDir));
  warnOfScratch(stateDir, log);
  const own = stack.move();
  return { lost, [Symbol.asyncDispose]: () => own.disposeAsync() };
}

/** Disposal gives it up. */
function keepReserve(stateDir: StateDirectory): Disposable {
  const { reserve } = stateDir;
  const hold = (): void => {
    if (stateDir.isInPlace()) reserve.hold();
  };
  hold();
  const timer = setInterval(hold, RESERVE_MS).unref();
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
      if (stateDir.isInPlace()) reserve.giveUp();
    },
  };
}
