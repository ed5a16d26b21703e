import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { Code, StatusError } from 'ttrpc-ts';
import { messageOf } from '../errors.ts';
import { bootId, isAlive } from '../proc/stat.ts';
import { isConnected } from '../proc/unix-sockets.ts';
import { readOwnRecord, type ShareRecord } from './record.ts';
import { removeIfEmpty } from './remove.ts';
import { clearStages } from './mount-areas.ts';
import { findSandboxRecord, type FoundRecord } from './find-sandbox-record.ts';
import { foldersIn, namesIn } from './names-in.ts';
import { removeSource } from './remove-source.ts';
import { sandboxFiles } from './sandbox-files.ts';
import { newSandboxRecord, readSandboxRecord, type SandboxRecord } from './sandbox-record.ts';
import { shareFiles, type ShareFiles, type StateDirectory } from './state-directory.ts';

/** A sandbox as its directory names it. */
export interface SandboxOnDisk {
  readonly namespace: string;
  readonly sandboxId: string;
}

/** What of a sandbox outlives its host. */
export interface Remains {
  /** What is on record of the sandbox itself; made of its oldest share where nothing is that could be read. */
  readonly record: SandboxRecord;
  /** What of it is on disk. @default nothing */
  readonly found: 'kept' | 'unreadable' | undefined;
  /** Shares that were opened, and nobody has begun to close them. */
  readonly shares: readonly ShareRecord[];
  /** Those of them that nobody can ever reach; they are no more. */
  readonly lost: readonly ShareRecord[];
}

/** What a host that has gone left of a sandbox. */
export interface Leftover {
  /** What the next host adopts; undefined where nothing is. */
  readonly remains: Remains | undefined;
  /** The files of all shares that nobody adopts. */
  readonly others: readonly ShareFiles[];
  /** The sockets and sources that records name; undefined where one of them cannot be read. */
  readonly paths: readonly string[] | undefined;
  /** True where nothing of the sandbox itself can be read: that is not to be removed. */
  readonly isUnreadable: boolean;
}

/** The sandboxes that have a directory in the state. */
export const sandboxesOnDisk = ({ sandboxesDirectory }: StateDirectory): SandboxOnDisk[] =>
  foldersIn(sandboxesDirectory).flatMap((namespace) =>
    foldersIn(join(sandboxesDirectory, namespace)).map((sandboxId) => ({ namespace, sandboxId })),
  );

/** Reads what stands on disk of a sandbox. */
export function readLeftover(
  { namespace, sandboxId }: SandboxOnDisk,
  parts: { stateDir: StateDirectory; log: Logger },
): Leftover {
  const { stateDir, log } = parts;
  const directory = join(stateDir.sandboxesDirectory, namespace, sandboxId);
  const found = findSandboxRecord(sandboxFiles(directory), parts);
  const areLeft = !found.isNobodys && found.record?.ending === undefined;
  const [shares, lost]: [ShareRecord[], ShareRecord[]] = [[], []];
  const others: ShareFiles[] = [];
  const paths: string[] = [];
  let isComplete = true;
  for (const files of sharesIn(directory)) {
    try {
      const record = readOwnRecord(files, stateDir);
      if (record) paths.push(record.socketPath, stateDir.apiSocketOf(record.socketPath), record.source);
      const isLeft = record && areLeft && isLeftToNext(record);
      const isLost = isLeft && isUnreachable(record);
      if (isLeft) (isLost ? lost : shares).push(record);
      if (!isLeft || isLost) others.push(files);
    } catch (error) {
      log.error({ sandbox: sandboxId, err: error }, messageOf(error));
      others.push(files);
      isComplete = false;
    }
  }
  const remains = remainsOf(found, { shares, lost });
  return { remains, others, paths: isComplete ? paths : undefined, isUnreadable: found.isUnreadable };
}

function remainsOf(
  { record: own, isNobodys, isUnreadable }: FoundRecord,
  { shares, lost }: Pick<Remains, 'shares' | 'lost'>,
): Remains | undefined {
  const record = own ?? recordOfOldest(shares);
  if (!record || isNobodys || (shares.length === 0 && record.goesWithShares)) return undefined;
  return { record, found: isUnreadable ? 'unreadable' : own && 'kept', shares, lost };
}

/** As a version wrote them that knew of no records of sandboxes. */
function recordOfOldest(shares: readonly ShareRecord[]): SandboxRecord | undefined {
  const [oldest] = shares.toSorted((a, b) => a.createdAt.localeCompare(b.createdAt));
  if (!oldest) return undefined;
  const { namespace, sandboxId, owner, createdAt, pod, profile } = oldest;
  const sandbox = { namespace, sandboxId, owner, createdAt: new Date(createdAt), pod };
  return { ...newSandboxRecord(sandbox, profile), isStarted: true };
}

const isLeftToNext = ({ daemon, outlivesHost, isClosing, bootId: recorded }: ShareRecord): boolean =>
  daemon !== undefined && outlivesHost && !isClosing && recorded === bootId();

/**
 * Looks at what a host has on disk that is to be taken over.
 *
 * @throws StatusError FailedPrecondition where a record cannot be read, as one that a newer version wrote
 */
export function requireReadableRecords(stateDir: StateDirectory): void {
  for (const { namespace, sandboxId } of sandboxesOnDisk(stateDir)) {
    const directory = join(stateDir.sandboxesDirectory, namespace, sandboxId);
    try {
      readSandboxRecord(sandboxFiles(directory), stateDir);
      for (const files of sharesIn(directory)) readOwnRecord(files, stateDir);
    } catch (cause) {
      const message = `Cannot take over, as sandbox "${sandboxId}" would be lost: ${messageOf(cause)}`;
      throw new StatusError(Code.FailedPrecondition, message, { cause });
    }
  }
}

/** A daemon that waits for a VMM and whose socket, which was there before it, somebody has removed: nobody can ever come. */
function isUnreachable({ daemon, socketPath }: ShareRecord): boolean {
  if (!daemon) return false;
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
