import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Code, StatusError } from 'ttrpc-ts';
import type { Logger } from 'pino';
import { createTrash, type Trash } from '../mount/trash.ts';
import { createReserve, type Reserve } from '../proc/reserve.ts';
import { HOST_FILES } from './host-files.ts';
import { makeHostDirectory } from './make-directory.ts';
import { requireOwnDirectory, requireOwnFile, requireSafePath } from './safe-path.ts';
import { shareFolder } from './sandbox-files.ts';
import { requireIdentifier, requireTag } from './names.ts';

/** The host's directory of state: its identity, and all that adoption, diagnosis and clean-up need. */
export interface StateDirectory {
  readonly path: string;
  /** Tells it from another directory that stands at its path later; undefined where it was not opened. */
  readonly identity: string | undefined;
  /** False when the directory that was opened stands at its path no more, or is another host's by now. */
  isInPlace(): boolean;
  /** True once another host has it, which took its lock. */
  readonly isLost: boolean;
  /** Says so: from now on nothing in it is this process's to touch. */
  lose(): void;
  /** The folders that a host needs there and in its scratch directory. */
  readonly folders: readonly string[];
  /** The files of the host itself, some of which the shim reads or writes. */
  readonly host: Readonly<Record<keyof typeof HOST_FILES, string>>;
  /** Where a folder for each namespace stands. */
  readonly sandboxesDirectory: string;
  /** Where a sandbox's record and its shares stand. */
  sandboxDirectory(namespace: string, sandboxId: string): string;
  /** A share's files. */
  share(namespace: string, sandboxId: string, tag: string): ShareFiles;
  /** The shim's wish that a sandbox be removed. */
  deletion(namespace: string, sandboxId: string): string;
  readonly deletionDirectory: string;
  /** Where the vhost-user sockets stand. */
  readonly socketDirectory: string;
  /** A fresh socket path, short whatever the sandbox is called. */
  newSocketPath(): string;
  /** The path of the API socket of the daemon that has this vhost-user socket. */
  apiSocketOf(socketPath: string): string;
  /** True for what is, by its name, one of those. */
  ownsSocket(path: string): boolean;
  /** True for what is, by its name, a socket that no daemon has yet. */
  isHiddenSocket(path: string): boolean;
  /** Room for records, for when there is none else. */
  readonly reserve: Reserve;
  /** Where guests may write. */
  readonly scratchDir: string;
  /** How much a guest may write into one of its directories, in MiB; 0: no limit. */
  readonly scratchLimitMib: number;
  /** What this state directory has there. */
  readonly scratchDirectory: string;
  /** Where the directories stand that the host owns. */
  readonly sharedDirectory: string;
  /** A fresh name, never used before, for a directory that the host owns. */
  newSharedDirectory(): string;
  /** Where mounts are made ready; it is there once a first one is. */
  readonly stagingDirectory: string;
  /** A fresh name in it. */
  newStage(): string;
  /** Takes directories that the host made. */
  readonly trash: Trash;
  /** Where they wait for their removal, one on each mount that has some of ours. */
  readonly trashDirectories: readonly string[];
  /** True for what is, by its name, one of those. */
  ownsSharedDirectory(path: string): boolean;
}

/** The files of one share, all in a directory of their own. */
export interface ShareFiles {
  readonly directory: string;
  readonly record: string;
  /** What the record is written to before it takes the record's name. */
  readonly newRecord: string;
  /** What was mounted and unmounted since the record was written. */
  readonly mountJournal: string;
  readonly output: string;
  /** What the output is called once no daemon may begin to write there. */
  readonly reapedOutput: string;
}

/** Where guests may write, and how much. */
export interface ScratchOptions {
  /** Where a directory of this state directory's own is made for them. @default the state directory itself */
  readonly scratchDir?: string | undefined;
  /** @default 0: no limit */
  readonly scratchLimitMib?: number | undefined;
}

/** How a state directory is opened. */
export interface StateDirectoryOptions extends ScratchOptions {
  /** Is told what the trash cannot remove. @default nobody is told */
  readonly log?: Pick<Logger, 'error'> | undefined;
}

/** Folders in the state directory. */
export const FOLDERS = {
  sandboxes: 'sandboxes',
  /** One letter, because a socket's path is limited. */
  sockets: 's',
  shared: 'shared',
  trash: 'trash',
  staging: 'staging',
  /** The shim's wishes, `<namespace>:<id>` each: neither name has a colon. */
  deletions: 'deletions',
} as const;

/** How much the reserve holds, in bytes: some hundred records. */
const RESERVE_BYTES = 512 * 1024;

const RECORD = 'share.json';
const MOUNT_JOURNAL = 'mounts.log';
const OUTPUT = 'daemon.log';

/**
 * Opens (and creates) a state directory, private to its owner because sockets and shared files stand in it.
 *
 * @throws StatusError FailedPrecondition where another user can change it, what leads to it, or what we write there;
 *   PermissionDenied and others where it cannot be made
 */
export function openStateDirectory(path: string, options: StateDirectoryOptions = {}): StateDirectory {
  const { scratchDirectory, folders } = describeStateDirectory(path, options);
  for (const top of [path, scratchDirectory]) {
    requireSafePath(top);
    makeHostDirectory(top);
    requireOwnDirectory(top);
  }
  makeFolders(folders);
  for (const name of Object.values(HOST_FILES)) requireOwnFile(join(path, name));
  return describeStateDirectory(path, { ...options, identity: identityOf(path) });
}

/**
 * Makes those of a state directory's folders that are missing.
 *
 * @throws StatusError FailedPrecondition where another user can change one
 */
export function makeFolders(folders: readonly string[]): void {
  for (const directory of folders) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    requireOwnFile(directory);
    requireOwnDirectory(directory);
  }
}

/** The places of a state directory, without touching it. */
export function describeStateDirectory(
  path: string,
  {
    scratchDir = path,
    scratchLimitMib = 0,
    identity,
    log = { error: () => {} },
  }: StateDirectoryOptions & { identity?: string | undefined } = {},
): StateDirectory {
  const sandboxesDirectory = join(path, FOLDERS.sandboxes);
  const socketDirectory = join(path, FOLDERS.sockets);
  // Several hosts may have the same place for guests to write, and each removes what is its own.
  const scratchDirectory = scratchDir === path ? path : join(scratchDir, nameOf(path));
  const sharedDirectory = join(scratchDirectory, FOLDERS.shared);
  // Beside what the host owns, which can be moved neither off its file system nor off a mount of it.
  const trashDirectories = [path, sharedDirectory].map((top) => join(top, FOLDERS.trash));
  const stagingDirectory = join(path, FOLDERS.staging);
  const deletionDirectory = join(path, FOLDERS.deletions);
  const sandboxDirectory = (namespace: string, sandboxId: string): string =>
    join(
      sandboxesDirectory,
      requireIdentifier('namespace', namespace),
      requireIdentifier('sandbox id', sandboxId),
    );
  let isLost = false;
  const hostFiles = Object.entries(HOST_FILES).map(([key, name]) => [key, join(path, name)]);
  return {
    path,
    identity,
    isInPlace: () => !isLost && (identity === undefined || identityOf(path) === identity),
    get isLost() {
      return isLost;
    },
    lose: () => void (isLost = true),
    folders: [sandboxesDirectory, socketDirectory, deletionDirectory, sharedDirectory, ...trashDirectories],
    host: Object.fromEntries(hostFiles) as StateDirectory['host'],
    sandboxesDirectory,
    sandboxDirectory,
    share: (namespace, sandboxId, tag) =>
      shareFiles(join(sandboxDirectory(namespace, sandboxId), shareFolder(requireTag(tag)))),
    deletionDirectory,
    deletion: (namespace, sandboxId) => join(deletionDirectory, `${namespace}:${sandboxId}`),
    socketDirectory,
    newSocketPath: () => join(socketDirectory, `${newSocketName()}.sock`),
    apiSocketOf: (socketPath) => socketPath.replace(/\.sock$/, '.api'),
    ownsSocket: isIn(socketDirectory, /^[0-9a-f]{16}\.(sock|api)$/),
    isHiddenSocket: isIn(socketDirectory, /^\.[0-9a-f]{12}(\.new)?$/),
    reserve: createReserve(join(path, HOST_FILES.reserve), RESERVE_BYTES),
    scratchDir,
    scratchLimitMib,
    scratchDirectory,
    sharedDirectory,
    trashDirectories,
    trash: createTrash(trashDirectories, { log }),
    stagingDirectory,
    newStage: () => join(stagingDirectory, randomBytes(8).toString('hex')),
    newSharedDirectory: () => join(sharedDirectory, randomBytes(16).toString('hex')),
    ownsSharedDirectory: isIn(sharedDirectory, /^[0-9a-f]{32}$/),
  };
}

/** 16 hexadecimal digits, of the numbers that Node.js draws in advance: to draw some here would hold up the share. */
const newSocketName = (): string => randomUUID().replaceAll('-', '').slice(16);

/** A state directory's name where others have theirs. */
const nameOf = (path: string): string => createHash('sha256').update(path).digest('hex').slice(0, 16);

/** @throws StatusError FailedPrecondition where another directory or none stands at the path by now, or another host has it */
export function requireInPlace(stateDir: StateDirectory): void {
  if (stateDir.isInPlace()) return;
  const { path, isLost } = stateDir;
  const message = isLost
    ? `Another host has taken the state directory "${path}": use that one, and end this`
    : `The state directory "${path}" has been replaced or removed: end this host and start another`;
  throw new StatusError(Code.FailedPrecondition, message);
}

function identityOf(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat && `${stat.dev}:${stat.ino}`;
}

const isIn =
  (directory: string, name: RegExp) =>
  (path: string): boolean =>
    dirname(path) === directory && name.test(basename(path));

/** The files of the share that stands in `directory`. */
export function shareFiles(directory: string): ShareFiles {
  return {
    directory,
    record: join(directory, RECORD),
    newRecord: join(directory, `${RECORD}.new`),
    mountJournal: join(directory, MOUNT_JOURNAL),
    output: join(directory, OUTPUT),
    reapedOutput: join(directory, `${OUTPUT}.reaped`),
  };
}
