import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { createReserve, type Reserve } from '../proc/reserve.ts';
import { requireIdentifier, requireTag } from './names.ts';

/** The host's directory of state: its identity, and all that adoption, diagnosis and clean-up need. */
export interface StateDirectory {
  readonly path: string;
  /** The files of the host itself, some of which the shim reads or writes. */
  readonly host: Readonly<Record<keyof typeof HOST_FILES, string>>;
  /** Where a sandbox's shares stand. */
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
  /** Where the directories stand that guests can fill. */
  readonly scratchDirectory: string;
  /** How much a guest may write into one of them, in MiB; 0 for no limit. */
  readonly scratchLimitMib: number;
  /** Room for records, for when there is none else. */
  readonly reserve: Reserve;
  /** A fresh name, never used before, for a directory that the host owns. */
  newSharedDirectory(): string;
  /** True for what is, by its name, one of those. */
  ownsSharedDirectory(path: string): boolean;
}

/** The files of one share, all in a directory of their own. */
export interface ShareFiles {
  readonly directory: string;
  readonly record: string;
  /** What the record is written to before it takes the record's name. */
  readonly newRecord: string;
  readonly output: string;
}

/** Where guests may write, and how much. */
export interface ScratchOptions {
  /** Its directories stand in one of this state directory's own there. @default in the state directory */
  readonly scratchDir?: string | undefined;
  /** @default 0: no limit */
  readonly scratchLimitMib?: number | undefined;
}

/** Names in the state directory. */
export const HOST_FILES = {
  lock: 'host.lock',
  socket: 'host.sock',
  /** The address of the ttrpc services, for the shim. */
  address: 'host.address',
  /** The host's pid and start time, for the shim. */
  pid: 'host.pid',
  log: 'host.log',
  /** Held by a shim's `start` while it starts a host, and by a host while it ends. */
  startLock: 'start.lock',
  /** Its time is that of the last `start`. */
  lastStart: 'last-start',
  /** The fifo on which a host that a shim started tells its address. */
  announce: 'announce',
  /** Given up for a record that has no other room. */
  reserve: 'reserve',
} as const;

/** Folders in the state directory. */
export const FOLDERS = {
  sandboxes: 'sandboxes',
  /** One letter, because a socket's path is limited. */
  sockets: 's',
  shared: 'shared',
  /** The shim's wishes, `<namespace>:<id>` each: neither name has a colon. */
  deletions: 'deletions',
} as const;

/** How much the reserve holds, in bytes: some hundred records. */
const RESERVE_BYTES = 512 * 1024;

const RECORD = 'share.json';
const OUTPUT = 'daemon.log';

/** Opens (and creates) a state directory, private to its owner because sockets and shared files stand in it. */
export function openStateDirectory(path: string, scratch?: ScratchOptions): StateDirectory {
  const stateDir = describeStateDirectory(path, scratch);
  const folders = [FOLDERS.sandboxes, FOLDERS.sockets, FOLDERS.deletions].map((name) => join(path, name));
  for (const directory of [path, ...folders, stateDir.scratchDirectory])
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  return stateDir;
}

/** The places of a state directory, without touching it. */
export function describeStateDirectory(
  path: string,
  { scratchDir, scratchLimitMib = 0 }: ScratchOptions = {},
): StateDirectory {
  // Several hosts may have the same place for them, and each removes what is its own.
  const scratchDirectory =
    scratchDir === undefined ? join(path, FOLDERS.shared) : join(scratchDir, nameOf(path));
  const sandboxDirectory = (namespace: string, sandboxId: string): string =>
    join(
      path,
      FOLDERS.sandboxes,
      requireIdentifier('namespace', namespace),
      requireIdentifier('sandbox id', sandboxId),
    );
  const hostFiles = Object.entries(HOST_FILES).map(([key, name]) => [key, join(path, name)]);
  return {
    path,
    host: Object.fromEntries(hostFiles) as StateDirectory['host'],
    sandboxDirectory,
    share: (namespace, sandboxId, tag) =>
      shareFiles(join(sandboxDirectory(namespace, sandboxId), encodeURIComponent(requireTag(tag)))),
    deletionDirectory: join(path, FOLDERS.deletions),
    deletion: (namespace, sandboxId) => join(path, FOLDERS.deletions, `${namespace}:${sandboxId}`),
    socketDirectory: join(path, FOLDERS.sockets),
    newSocketPath: () => join(path, FOLDERS.sockets, `${randomBytes(8).toString('hex')}.sock`),
    scratchDirectory,
    scratchLimitMib,
    reserve: createReserve(join(path, HOST_FILES.reserve), RESERVE_BYTES),
    newSharedDirectory: () => join(scratchDirectory, randomBytes(16).toString('hex')),
    ownsSharedDirectory: (directory) =>
      dirname(directory) === scratchDirectory && /^[0-9a-f]{32}$/.test(basename(directory)),
  };
}

/** A state directory's name where others have theirs. */
const nameOf = (path: string): string => createHash('sha256').update(path).digest('hex').slice(0, 16);

/** The files of the share that stands in `directory`. */
export function shareFiles(directory: string): ShareFiles {
  return {
    directory,
    record: join(directory, RECORD),
    newRecord: join(directory, `${RECORD}.new`),
    output: join(directory, OUTPUT),
  };
}
