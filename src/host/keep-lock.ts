import { statSync } from 'node:fs';
import type { Logger } from 'pino';
import { messageOf } from '../errors.ts';
import type { StateDirectory } from '../share/state-directory.ts';

/** How often the lock's file is looked at, in milliseconds. */
const LOOK_MS = 2000;

/**
 * Takes a lock and keeps it: where its file is removed or replaced, as those who clean up old files do, it is taken
 * anew, for else another host could have it too. Disposal gives it up.
 *
 * @throws what `take` throws at first
 */
export async function keepLock(
  stateDir: Pick<StateDirectory, 'host' | 'isInPlace'>,
  { take, log }: { take: () => Promise<AsyncDisposable>; log: Logger },
): Promise<AsyncDisposable> {
  const file = stateDir.host.lock;
  let lock = await take();
  let inode = inodeOf(file);
  let problem: string | undefined;
  let taking: Promise<void> | undefined;

  const takeAgain = async (): Promise<void> => {
    try {
      const next = await take();
      await lock[Symbol.asyncDispose]();
      lock = next;
      inode = inodeOf(file);
      problem = undefined;
      log.warn({ file }, 'Somebody removed the lock of this host; it is taken again');
    } catch (error) {
      if (problem === messageOf(error)) return;
      problem = messageOf(error);
      log.error({ file, err: error }, 'Somebody removed the lock of this host, and it cannot be taken again');
    }
  };
  const timer = setInterval(() => {
    // The lock of another host's state is not ours to take.
    if (inodeOf(file) === inode || !stateDir.isInPlace()) return;
    taking ??= takeAgain().finally(() => (taking = undefined));
  }, LOOK_MS).unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await taking;
      await lock[Symbol.asyncDispose]();
    },
  };
}

function inodeOf(file: string): number | undefined {
  try {
    return statSync(file, { throwIfNoEntry: false })?.ino;
  } catch {
    return undefined;
  }
}
