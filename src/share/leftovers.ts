import { existsSync, readdirSync, rmSync, type Dirent } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { messageOf } from '../errors.ts';
import { bootId, isAlive } from '../proc/stat.ts';
import { isConnected } from '../proc/unix-sockets.ts';
import { readOwnRecord, type ShareRecord } from './record.ts';
import { removeIfEmpty } from './remove.ts';
import { releaseScratch } from './scratch.ts';
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
  foldersIn(sandboxesDirectory).flatMap((namespace) =>
    foldersIn(join(sandboxesDirectory, namespace)).map((sandboxId) => ({ namespace, sandboxId })),
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
  for (const files of sharesIn(join(stateDir.sandboxesDirectory, namespace, sandboxId))) {
    try {
      const record = readOwnRecord(files, stateDir);
      if (record) paths.push(record.socketPath, stateDir.apiSocketOf(record.socketPath), record.source);
      if (record && isAdoptable(record, boot)) adoptable.push(record);
      else others.push(files);
    } catch (error) {
      log.error({ sandbox: sandboxId, err: error }, messageOf(error));
      others.push(files);
      isComplete = false;
    }
  }
  return { adoptable, others, paths: isComplete ? paths : undefined };
}

function isAdoptable(
  { daemon, outlivesHost, isClosing, bootId: recorded, socketPath }: ShareRecord,
  boot: string,
): boolean {
  return (
    daemon !== undefined &&
    outlivesHost &&
    !isClosing &&
    recorded === boot &&
    !isUnreachable(daemon, socketPath)
  );
}

/** A daemon that waits for a VMM and whose socket, which was there before it, somebody has removed: nobody can ever come. */
function isUnreachable(daemon: NonNullable<ShareRecord['daemon']>, socketPath: string): boolean {
  const { boundPath, connectedAt, exit } = daemon;
  if (boundPath === undefined || boundPath === socketPath || connectedAt !== undefined || exit) return false;
  return !existsSync(socketPath) && isAlive(daemon) && !isConnected(boundPath);
}

/** The files of the shares that have a directory in a sandbox's. */
export const sharesIn = (directory: string): ShareFiles[] =>
  foldersIn(directory).map((name) => shareFiles(join(directory, name)));

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
  // Of a host that died before it made a directory in one, or when it had removed the last.
  for (const path of pathsIn(stateDir.sandboxesDirectory)) removeIfEmpty(path);
  // Those of starters, which end by themselves.
  for (const path of sockets) if (stateDir.isHiddenSocket(path)) rmSync(path, { force: true });
  return async (recorded) => {
    const isNobodys = (path: string): boolean => !recorded.has(path);
    for (const path of sockets.filter(isNobodys))
      if (stateDir.ownsSocket(path)) rmSync(path, { force: true });
    for (const path of directories.filter(isNobodys)) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- few, and mounted ones are rare
        await releaseScratch(path);
        stateDir.trash.remove(path);
      } catch (error) {
        log.error({ path, err: error }, 'Cannot remove what a dead host left');
      }
    }
  };
}

const pathsIn = (directory: string): string[] => namesIn(directory).map((name) => join(directory, name));

function namesIn(directory: string): string[] {
  return entriesIn(directory).map(({ name }) => name);
}

/** What others put there is no folder of ours, be it a link to one. */
function foldersIn(directory: string): string[] {
  return entriesIn(directory).flatMap((entry) => (entry.isDirectory() ? entry.name : []));
}

/** None where there is no such directory. */
function entriesIn(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}
