import { existsSync, rmSync } from 'node:fs';
import { Code, StatusError } from 'ttrpc-ts';
import { z } from '../config/zod-mini.ts';
import { EXIT_CAUSES } from '../errors.ts';
import { EXIT_POLICIES } from './exit-policy.ts';
import { appendTo, readJournal } from './journal.ts';
import { SHARE_OWNERS } from './owner.ts';
import { podNameSchema } from './pod.ts';
import { readRecordFile, writeRecordFile } from './record-file.ts';
import type { ShareFiles, StateDirectory } from './state-directory.ts';

/** The version of the format that this program writes. */
const FORMAT_VERSION = 1;

const time = z.iso.datetime();

/** What a daemon's process is known by. */
const daemonSchema = z.object({
  pid: z.int().check(z.positive()),
  /** In clock ticks since boot. */
  startTime: z.int().check(z.nonnegative()),
  startedAt: time,
  command: z.string(),
  args: z.array(z.string()),
  /** As the program says it, where it was asked. */
  version: z.optional(z.string()),
  startSpan: z.optional(z.object({ traceId: z.string(), spanId: z.string(), traceFlags: z.int() })),
  /** When its VMM came. */
  connectedAt: z.optional(time),
  /** What its socket was bound to, before it was given its name. */
  boundPath: z.optional(z.string()),
  /** How it ended. */
  exit: z.optional(
    z.object({
      cause: z.enum(EXIT_CAUSES),
      message: z.string(),
      exitCode: z.optional(z.int()),
      signal: z.optional(z.string()),
      exitedAt: time,
    }),
  ),
});

/** What is mounted in a share, or was being mounted when its host died. */
const mountSchema = z.object({
  source: z.string(),
  mountpoint: z.string(),
  mountedAt: time,
  /** As the provider names it; absent until it is mounted. */
  kind: z.optional(z.string()),
  options: z.optional(z.array(z.string())),
  /** True from before it is mounted until it is. */
  isPending: z.optional(z.boolean()),
  /** How often the daemon had been replaced by then; absent where it needs none to be there. */
  restarts: z.optional(z.int().check(z.nonnegative())),
  /** What makes it once more, where that holds no secrets. */
  recipe: z.optional(
    z.object({
      source: z.string(),
      config: z.optional(z.string()),
      type: z.optional(z.string()),
      options: z.optional(z.readonly(z.array(z.string()))),
    }),
  ),
  /** Why the daemon that followed does not have it. */
  problem: z.optional(z.string()),
});

/** What became of a mountpoint since the record was written. */
const changeSchema = z.union([
  z.strictObject({ mount: mountSchema }),
  z.strictObject({ unmounted: z.string() }),
  /** Nothing was mounted there after all. */
  z.strictObject({ forgotten: z.string() }),
]);

const recordSchema = z.object({
  formatVersion: z.literal(FORMAT_VERSION),
  namespace: z.string(),
  sandboxId: z.string(),
  tag: z.string(),
  owner: z.enum(SHARE_OWNERS),
  /** True where the next host adopts it, when its own one ends without closing it. */
  outlivesHost: z._default(z.boolean(), false),
  /** True once it is being closed: what is left of it then is nobody's. */
  isClosing: z.optional(z.boolean()),
  /** The configuration that held: a file, or what stands for it in errors. */
  profile: z.string(),
  /** The pod that the sandbox is made for. */
  pod: z.optional(podNameSchema),
  /** The `shared_fs` value of its provider. */
  provider: z.string(),
  /** The directory that is served. */
  source: z.string(),
  /** What the sandbox's creator named, where that leads to the source by a symbolic link. */
  requestedSource: z.optional(z.string()),
  /** True where the host made the source, and removes it with the share. */
  ownsSource: z.boolean(),
  readOnly: z.boolean(),
  /** Absent where its provider has no cache modes. */
  cache: z.optional(z.string()),
  queueSize: z.int(),
  socketPath: z.string(),
  /** What follows when its daemon ends unasked. */
  onExit: z._default(z.enum(EXIT_POLICIES), 'stop-sandbox'),
  /** How often its daemon has been replaced. */
  restarts: z._default(z.int().check(z.nonnegative()), 0),
  bootId: z.string(),
  createdAt: time,
  mounts: z.array(mountSchema),
  /** Where something was mounted and is no more. */
  formerMountpoints: z.optional(z.array(z.string())),
  /** Absent in what was written before the spawn: a process may have been started, and be unknown. */
  daemon: z.optional(daemonSchema),
});

/** A share as it stands on disk: enough to end it without its host, to diagnose it, and to link its last span to its first. */
export type ShareRecord = Readonly<Omit<z.output<typeof recordSchema>, 'formatVersion'>>;

const FORMAT = { kind: 'share', version: FORMAT_VERSION, schema: recordSchema };

/** Replaces the record in one step, so that a reader never sees half of one. */
export function writeRecord(files: ShareFiles, record: ShareRecord): void {
  writeRecordFile(files, FORMAT, record);
  // To make its changes again changes nothing, should this host die before.
  rmSync(files.mountJournal, { force: true });
}

/** Changes what is on record of a share; of one that has no record any more, nothing. */
export function updateRecord(files: ShareFiles, change: (record: ShareRecord) => ShareRecord): void {
  const record = readRecord(files);
  if (record) writeRecord(files, change(record));
}

/** A mount as it is on record. */
export type MountRecord = ShareRecord['mounts'][number];

/** Something that happens at a mountpoint. */
export type MountChange = Readonly<z.output<typeof changeSchema>>;

/** Records that. It takes the same time however much is mounted, for which {@link recordMounts} writes everything anew. */
export function recordMountChange(files: ShareFiles, change: MountChange): void {
  if (existsSync(files.record)) appendTo(files.mountJournal, change);
}

/** Records what is mounted in a share, and where something was. */
export function recordMounts(
  files: ShareFiles,
  mounts: Pick<ShareRecord, 'mounts' | 'formerMountpoints'>,
): void {
  updateRecord(files, (record) => ({ ...record, ...mounts }));
}

/**
 * Reads a share's record; undefined where there is none.
 *
 * @throws StatusError FailedPrecondition for a file that is torn, of another program or of a newer version of this one
 */
export function readRecord(files: ShareFiles): ShareRecord | undefined {
  const record = readRecordFile(files.record, FORMAT);
  return record && withChanges(record, readChanges(files));
}

function readChanges({ mountJournal }: ShareFiles): MountChange[] {
  const { success, data, error } = z.array(changeSchema).safeParse(readJournal(mountJournal));
  if (success) return data;
  const [issue] = error.issues;
  const message = `Cannot read what is mounted "${mountJournal}": change ${issue?.path.join('.')}: ${issue?.message}`;
  throw new StatusError(Code.FailedPrecondition, message, { cause: error });
}

function withChanges(record: ShareRecord, changes: readonly MountChange[]): ShareRecord {
  if (changes.length === 0) return record;
  const mounts = new Map(record.mounts.map((mount) => [mount.mountpoint, mount]));
  const former = new Set(record.formerMountpoints);
  for (const change of changes) {
    if ('mount' in change) mounts.set(change.mount.mountpoint, change.mount);
    else mounts.delete('forgotten' in change ? change.forgotten : change.unmounted);
    if ('unmounted' in change) former.add(change.unmounted);
  }
  return {
    ...record,
    mounts: [...mounts.values()],
    ...(former.size > 0 ? { formerMountpoints: [...former] } : {}),
  };
}

/**
 * {@link readRecord}, but a copy of another share's record names what is not this one's.
 *
 * @throws StatusError FailedPrecondition
 */
export function readOwnRecord(files: ShareFiles, stateDir: StateDirectory): ShareRecord | undefined {
  const record = readRecord(files);
  if (!record) return undefined;
  const { namespace, sandboxId, tag } = record;
  if (stateDir.share(namespace, sandboxId, tag).directory === files.directory) return record;
  const message = `Cannot use the record "${files.record}": it is that of share "${tag}" of sandbox "${sandboxId}": remove it`;
  throw new StatusError(Code.FailedPrecondition, message);
}
