import { lstatSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { messageOf } from '../errors.ts';
import { printableLines } from '../text/printable.ts';
import { watchPath } from '../proc/watch-path.ts';
import type { StateDirectory } from '../share/state-directory.ts';
import type { Containers, Sandboxes } from './contract.ts';

/** How often the host looks whether another directory has taken the place of that of the marks, in milliseconds. */
const FOLLOW_MS = 1000;

/**
 * Removes the sandboxes that a shim's `delete` marks, whichever host they are of, until disposal. A mark is an empty
 * file, removed when its sandbox is; where that fails, the mark gets the reason for the shim to tell. A mark with a third
 * part in its name, as `default:container:web`, is of a container, and nobody waits for it.
 */
export function carryOutDeletions(parts: {
  stateDir: StateDirectory;
  sandboxes: Sandboxes;
  containers: Pick<Containers, 'forget'>;
  adopted: Promise<void>;
  log: Logger;
}): Disposable {
  const { stateDir, sandboxes, containers, adopted, log } = parts;
  const { deletionDirectory } = stateDir;
  const underWay = new Set<string>();

  /** The directory may be gone or read-only. */
  const attempt = (action: () => void): void => {
    try {
      action();
    } catch (error) {
      log.error({ path: deletionDirectory, err: error }, 'Cannot read or write marks of deletions');
    }
  };
  const endContainer = async (mark: string, namespace: string, containerId: string): Promise<void> => {
    // Before, nothing is known of what a former host mounted.
    await adopted;
    try {
      await containers.forget(namespace, containerId);
    } finally {
      if (stateDir.isInPlace()) rmSync(mark, { force: true });
    }
  };
  const carryOut = async (name: string): Promise<void> => {
    const mark = join(deletionDirectory, name);
    const [namespace = '', sandboxId = '', containerId] = name.split(':');
    underWay.add(name);
    try {
      if (containerId === undefined) await sandboxes.purge(namespace, sandboxId);
      else await endContainer(mark, namespace, containerId);
    } catch (error) {
      log.error({ mark: name, err: error }, 'Cannot delete a sandbox or container');
      if (containerId !== undefined) return;
      attempt(() => {
        if (!stateDir.isInPlace()) return;
        stateDir.reserve.use(() => writeFileSync(mark, `${printableLines(messageOf(error))}\n`));
      });
    } finally {
      underWay.delete(name);
    }
  };
  const look = (): void => {
    // The marks of another host's state are its own business.
    if (!stateDir.isInPlace() || identityOf(deletionDirectory) === undefined) return;
    for (const name of readdirSync(deletionDirectory)) {
      const isWish = statSync(join(deletionDirectory, name), { throwIfNoEntry: false })?.size === 0;
      if (isWish && !underWay.has(name)) void carryOut(name);
    }
  };

  const onPolling = (why: string): void =>
    log.warn({ path: deletionDirectory }, `Looking for deletions now and then: ${why}`);
  let watcher: Disposable | undefined;
  let watched: string | undefined;
  /** A watch is of a directory, and not of its name. */
  const follow = (): void => {
    const identity = identityOf(deletionDirectory);
    // The host makes one that is missing again.
    if (identity === undefined || identity === watched) return;
    watcher?.[Symbol.dispose]();
    watched = identity;
    watcher = watchPath(deletionDirectory, () => attempt(look), { onPolling });
    look();
  };
  follow();
  const timer = setInterval(() => attempt(follow), FOLLOW_MS).unref();
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
      watcher?.[Symbol.dispose]();
    },
  };
}

/** With the time when it was made, because a file system gives a number again. */
function identityOf(path: string): string | undefined {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return stat && `${stat.dev}:${stat.ino}:${stat.birthtimeNs}`;
}
