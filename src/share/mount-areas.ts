import { mkdirSync, rmdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { clearStage } from '../mount/bind.ts';
import { ensurePropagation, propagationOf, releasePropagation } from '../mount/propagation.ts';
import { namesIn } from './names-in.ts';
import { requireOwnDirectory, requireOwnFile } from './safe-path.ts';
import type { StateDirectory } from './state-directory.ts';

type Areas = Pick<StateDirectory, 'sharedDirectory' | 'stagingDirectory' | 'trashDirectories'>;

/** Once for a host: nothing undoes it while the host lives. */
const passingOn = new WeakMap<object, Promise<void>>();

/**
 * Has what is mounted in the directories that a host owns show up for daemons with a mount namespace of their own. It has
 * to be before such a daemon starts. Where it cannot be done, it is the mount that fails, and not the share.
 */
export function passMountsOn(stateDir: Pick<Areas, 'sharedDirectory'>): Promise<void> {
  const { sharedDirectory } = stateDir;
  const prepared = passingOn.get(stateDir) ?? ensurePropagation(sharedDirectory, 'shared').catch(() => {});
  passingOn.set(stateDir, prepared);
  return prepared;
}

/** Makes the directory for stages, which keeps to itself what is mounted there; the table is one of `readMounts()`. */
export async function prepareStaging(
  { stagingDirectory }: Pick<Areas, 'stagingDirectory'>,
  table?: string,
): Promise<void> {
  mkdirSync(stagingDirectory, { recursive: true, mode: 0o700 });
  requireOwnFile(stagingDirectory);
  requireOwnDirectory(stagingDirectory);
  if (propagationOf(stagingDirectory, table) === 'shared') await keepToItself(stagingDirectory);
}

/** Being done now, by directory. Done twice, one mount would hide the other and what is in it. */
const preparing = new Map<string, Promise<void>>();

function keepToItself(directory: string): Promise<void> {
  const underWay =
    preparing.get(directory) ??
    ensurePropagation(directory, 'private').finally(() => preparing.delete(directory));
  preparing.set(directory, underWay);
  return underWay;
}

/** Removes the stages of a host that has died. Call it with the state's lock in hand, before anything is mounted. */
export async function clearStages({ stagingDirectory }: Pick<Areas, 'stagingDirectory'>): Promise<void> {
  await Promise.all(namesIn(stagingDirectory).map((name) => clearStage(join(stagingDirectory, name))));
}

/** Takes back what both were prepared with, where no share needs it any more. Call it with the state's lock in hand. */
export async function releaseMountAreas(stateDir: Areas): Promise<void> {
  const { stagingDirectory, sharedDirectory, trashDirectories } = stateDir;
  await release(stagingDirectory, []);
  await release(
    sharedDirectory,
    trashDirectories.map((path) => basename(path)),
  );
  if (namesIn(stagingDirectory).length === 0) removeDirectory(stagingDirectory);
}

async function release(directory: string, own: readonly string[]): Promise<void> {
  const names = namesIn(directory);
  if (names.some((name) => !own.includes(name))) return;
  await releasePropagation(directory);
}

function removeDirectory(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {} // it is gone, or the next host needs it
}
