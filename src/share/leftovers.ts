import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { messageOf } from '../errors.ts';
import type { Trash } from '../mount/trash.ts';
import { readRecord } from './record.ts';
import { releaseScratch } from './scratch.ts';
import { shareFiles, type StateDirectory } from './state-directory.ts';

/** A sandbox as its directory names it. */
export interface SandboxOnDisk {
  readonly namespace: string;
  readonly sandboxId: string;
}

/** The sandboxes that have a directory in the state. */
export const sandboxesOnDisk = ({ sandboxesDirectory }: StateDirectory): SandboxOnDisk[] =>
  namesIn(sandboxesDirectory).flatMap((namespace) =>
    namesIn(join(sandboxesDirectory, namespace)).map((sandboxId) => ({ namespace, sandboxId })),
  );

/**
 * Removes the sockets and shared directories that no record names. It is for a host that has just got the state's lock
 * and has opened nothing yet. Where a record cannot be read, what it names is unknown, and all of them stay.
 */
export async function sweepUnrecorded(parts: {
  stateDir: StateDirectory;
  trash: Pick<Trash, 'remove'>;
  log: Logger;
}): Promise<void> {
  const { stateDir, trash, log } = parts;
  // Those of starters, which end by themselves.
  for (const path of pathsIn(stateDir.socketDirectory))
    if (stateDir.isHiddenSocket(path)) rmSync(path, { force: true });
  const recorded = recordedPaths(parts);
  if (!recorded) return;
  const isNobodys = (path: string): boolean => !recorded.has(path);
  for (const path of pathsIn(stateDir.socketDirectory).filter(isNobodys))
    if (stateDir.ownsSocket(path)) rmSync(path, { force: true });
  for (const path of pathsIn(stateDir.sharedDirectory).filter(isNobodys)) {
    if (!stateDir.ownsSharedDirectory(path)) continue;
    try {
      // oxlint-disable-next-line no-await-in-loop -- few, and mounted ones are rare
      await releaseScratch(path);
      trash.remove(path);
    } catch (error) {
      log.error({ path, err: error }, 'Cannot remove what a dead host left');
    }
  }
}

/** The sockets and sources that records name; undefined where one of the records cannot be read. */
function recordedPaths({
  stateDir,
  log,
}: {
  stateDir: StateDirectory;
  log: Logger;
}): Set<string> | undefined {
  const paths = new Set<string>();
  let isComplete = true;
  for (const { namespace, sandboxId } of sandboxesOnDisk(stateDir)) {
    for (const directory of pathsIn(join(stateDir.sandboxesDirectory, namespace, sandboxId))) {
      try {
        const record = readRecord(shareFiles(directory));
        if (!record) continue;
        const { socketPath, source } = record;
        paths.add(socketPath).add(stateDir.apiSocketOf(socketPath)).add(source);
      } catch (error) {
        log.error({ err: error }, messageOf(error));
        isComplete = false;
      }
    }
  }
  return isComplete ? paths : undefined;
}

const pathsIn = (directory: string): string[] => namesIn(directory).map((name) => join(directory, name));

/** The names in a directory; none where there is no such directory. */
export function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}
