import { randomBytes } from 'node:crypto';
import { readdirSync, renameSync, rmdir } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pLimit from 'p-limit';
import type { Logger } from 'pino';
import { exists, removeTree, requireNoMounts } from './remove-tree.ts';

/** How many directories are being removed at a time. */
const REMOVALS_AT_A_TIME = 2;

/** Where directories go whose removal nobody shall wait for. Disposal waits for it. */
export interface Trash extends AsyncDisposable {
  /**
   * Takes a directory that the host owns out of reach, and removes it in the background; one that is gone is no error.
   * What cannot be removed is logged and stays for the next sweep.
   *
   * @throws StatusError FailedPrecondition while something is mounted there
   */
  remove(directory: string): void;
  /** Removes in the background what former hosts have left there. */
  sweep(): void;
}

/** Creates a trash in directories of which one is on the file system of what goes there. */
export function createTrash(directories: readonly string[], { log }: { log: Pick<Logger, 'error'> }): Trash {
  const limit = pLimit(REMOVALS_AT_A_TIME);
  const underWay = new Set<Promise<void>>();
  const empty = (path: string): void => {
    const removal = limit(() => remove(path))
      .catch((error: unknown) => log.error({ path, err: error }, 'Cannot remove a directory'))
      .finally(() => underWay.delete(removal));
    underWay.add(removal);
  };
  return {
    remove(tree) {
      if (!exists(tree)) return;
      requireNoMounts(tree);
      empty(moveTo(directories, tree));
    },
    sweep() {
      for (const directory of directories)
        for (const name of readdirSync(directory)) empty(join(directory, name));
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(underWay);
    },
  };
}

/** Moves a directory into the first that is on its file system; returns its path there. */
function moveTo([directory = '', ...others]: readonly string[], tree: string): string {
  const path = join(directory, randomBytes(16).toString('hex'));
  try {
    renameSync(tree, path);
    return path;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV' || others.length === 0) throw error;
    return moveTo(others, tree);
  }
}

/** Most are empty, and need no process. */
async function remove(path: string): Promise<void> {
  // Not of node:fs/promises: a host would load it for this alone, which is 1 MiB.
  await promisify(rmdir)(path).catch(() => removeTree(path));
}
