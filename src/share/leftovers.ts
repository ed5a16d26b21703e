import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { messageOf } from '../errors.ts';
import { bootId } from '../proc/stat.ts';
import { readOwnRecord, type ShareRecord } from './record.ts';
import { clearStages } from './mount-areas.ts';
import { namesIn } from './names-in.ts';
import { removeSource } from './remove-source.ts';
import { shareFiles, type ShareFiles, type StateDirectory } from './state-directory.ts';

/** A sandbox as its directory names it. */
export interface SandboxOnDisk {
  readonly namespace: string;
  readonly sandboxId: string;
}

/** What a host that has gone left of a sandbox. */
export interface Leftover {
  /** Of shares that outlive their host: they were opened, and nobody has begun to close them. */
  readonly adoptable: readonly ShareRecord[];
  /** The files of all others. */
  readonly others: readonly ShareFiles[];
  /** The sockets and sources that they name; undefined where one of the records cannot be read. */
  readonly paths: readonly string[] | undefined;
}

/** The sandboxes that have a directory in the state. */
export const sandboxesOnDisk = ({ sandboxesDirectory }: StateDirectory): SandboxOnDisk[] =>
  namesIn(sandboxesDirectory).flatMap((namespace) =>
    namesIn(join(sandboxesDirectory, namespace)).map((sandboxId) => ({ namespace, sandboxId })),
  );

/** Reads what stands on disk of a sandbox. */
export function readLeftover(
  { namespace, sandboxId }: SandboxOnDisk,
  { stateDir, log }: { stateDir: StateDirectory; log: Logger },
): Leftover {
  const boot = bootId();
  const adoptable: ShareRecord[] = [];
  const others: ShareFiles[] = [];
  const paths: string[] = [];
  let isComplete = true;
  for (const directory of pathsIn(join(stateDir.sandboxesDirectory, namespace, sandboxId))) {
    const files = shareFiles(directory);
    try {
      const record = readOwnRecord(files, stateDir);
      if (record) paths.push(record.socketPath, stateDir.apiSocketOf(record.socketPath), record.source);
      if (record?.daemon && record.outlivesHost && !record.isClosing && record.bootId === boot)
        adoptable.push(record);
      else others.push(files);
    } catch (error) {
      log.error({ sandbox: sandboxId, err: error }, messageOf(error));
      others.push(files);
      isComplete = false;
    }
  }
  return { adoptable, others, paths: isComplete ? paths : undefined };
}

/**
 * Finds the sockets and shared directories that are there, for a host that has just got the state's lock and has opened
 * nothing yet. The result removes those that no record names, once all records have been read.
 */
export function findUnrecorded(parts: {
  stateDir: StateDirectory;
  log: Logger;
}): (recorded: ReadonlySet<string>) => Promise<void> {
  const { stateDir, log } = parts;
  const sockets = pathsIn(stateDir.socketDirectory);
  const directories = pathsIn(stateDir.sharedDirectory).filter((path) => stateDir.ownsSharedDirectory(path));
  // Those of starters, which end by themselves.
  for (const path of sockets) if (stateDir.isHiddenSocket(path)) rmSync(path, { force: true });
  const staged = clearStages(stateDir).catch((error: unknown) =>
    log.error({ path: stateDir.stagingDirectory, err: error }, 'Cannot unmount what a dead host left'),
  );
  return async (recorded) => {
    await staged;
    const isNobodys = (path: string): boolean => !recorded.has(path);
    for (const path of sockets.filter(isNobodys))
      if (stateDir.ownsSocket(path)) rmSync(path, { force: true });
    for (const path of directories.filter(isNobodys)) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- few, and mounted ones are rare
        await removeSource({ source: path, mounts: [] }, stateDir);
      } catch (error) {
        log.error({ path, err: error }, 'Cannot remove what a dead host left');
      }
    }
  };
}

const pathsIn = (directory: string): string[] => namesIn(directory).map((name) => join(directory, name));
