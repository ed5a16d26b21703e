import { renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { Code, StatusError } from 'ttrpc-ts';
import { z } from '../config/zod-mini.ts';
import { EXIT_CAUSES } from '../errors.ts';
import { bootId } from '../proc/stat.ts';
import { makeUnlessThere } from './make-directory.ts';
import { SHARE_OWNERS } from './owner.ts';
import { podNameOf, podNameSchema, type Pod } from './pod.ts';
import { readRecordFile, writeRecordFile, writeText } from './record-file.ts';
import type { SandboxFiles } from './sandbox-files.ts';
import type { StateDirectory } from './state-directory.ts';

const time = z.iso.datetime();

/** How the daemon ended whose end was its sandbox's. */
const daemonExitSchema = z.object({
  cause: z.enum(EXIT_CAUSES),
  message: z.string(),
  exitCode: z.optional(z.int()),
  signal: z.optional(z.string()),
  workerSignal: z.optional(z.string()),
  exitedAt: time,
  uptimeMs: z.number(),
  lastLines: z.array(z.string()),
});

const recordSchema = z.object({
  namespace: z.string(),
  sandboxId: z.string(),
  owner: z.enum(SHARE_OWNERS),
  /** The configuration that holds: a file, or what stands for it in errors. */
  profile: z.string(),
  bootId: z.string(),
  createdAt: time,
  /** The pod that it is made for. */
  pod: z.optional(podNameSchema),
  /** True for one that was made for its shares, and goes with the last of them. */
  goesWithShares: z.optional(z.boolean()),
  /** What its owner wants to find again. */
  ownerData: z.optional(z.record(z.string(), z.json())),
  /** Until when the call goes on that creates it and is to have it started. */
  startBy: z.optional(time),
  /** True once containerd has had it started. */
  isStarted: z.optional(z.boolean()),
  /** What somebody has asked for, whether it is done or not: that its shares be closed, or that nothing of it be left. */
  ending: z.optional(z.enum(['stop', 'delete'])),
  /** How it ended. */
  exit: z.optional(
    z.object({
      exitStatus: z.int(),
      cause: z.enum(EXIT_CAUSES),
      exitedAt: time,
      failed: z.optional(z.object({ tag: z.string(), exit: daemonExitSchema })),
    }),
  ),
});

/** A sandbox as it stands on disk: what its next host has to know besides its shares. */
export type SandboxRecord = Readonly<z.output<typeof recordSchema>>;

/** What the owner of a sandbox wants to find again: anything that JSON can hold. */
export type OwnerData = NonNullable<SandboxRecord['ownerData']>;

const FORMAT = {
  kind: 'sandbox',
  version: 1,
  schema: recordSchema,
  remedy: 'remove the file, or run the version that wrote it',
};

/** Who a sandbox is, as far as it goes on record. */
type RecordedIdentity = Pick<
  SandboxRecord,
  'namespace' | 'sandboxId' | 'owner' | 'goesWithShares' | 'ownerData'
>;

/** What is on record of a sandbox that there was nothing of before. */
export function newSandboxRecord(
  sandbox: RecordedIdentity & {
    readonly createdAt: Date;
    readonly pod?: Pod | undefined;
    readonly startBy?: Date | undefined;
  },
  profile: string,
): SandboxRecord {
  const { namespace, sandboxId, owner, createdAt, pod, startBy, ownerData } = sandbox;
  const { goesWithShares = owner === 'api' } = sandbox;
  return {
    namespace,
    sandboxId,
    owner,
    profile,
    bootId: bootId(),
    createdAt: createdAt.toISOString(),
    ...(pod ? { pod: podNameOf(pod) } : {}),
    ...(goesWithShares ? { goesWithShares } : {}),
    ...(ownerData ? { ownerData } : {}),
    ...(startBy ? { startBy: startBy.toISOString() } : {}),
  };
}

/** Writes down that a sandbox is being made: without {@link commitSandboxRecord} the next host undoes it. */
export function beginSandboxRecord(files: SandboxFiles, record: SandboxRecord): void {
  makeSandboxDirectory(files);
  writeText(files.begunRecord, FORMAT.version, record);
}

/** Writes down that the sandbox whose record was begun has been made. */
export const commitSandboxRecord = ({ begunRecord, record }: SandboxFiles): void =>
  renameSync(begunRecord, record);

/** Replaces a sandbox's record in one step, so that a reader never sees half of one. */
export function writeSandboxRecord(files: SandboxFiles, record: SandboxRecord): void {
  makeSandboxDirectory(files);
  writeRecordFile(files, FORMAT, record);
}

/**
 * Reads a sandbox's record; undefined where there is none.
 *
 * @throws StatusError FailedPrecondition for a file that is torn, of another program, of a newer version of this one or
 *   of another sandbox
 */
export function readSandboxRecord(
  files: SandboxFiles,
  stateDir: Pick<StateDirectory, 'sandboxDirectory'>,
): SandboxRecord | undefined {
  const record = readRecordFile(files.record, FORMAT);
  if (!record) return undefined;
  const { namespace, sandboxId } = record;
  if (stateDir.sandboxDirectory(namespace, sandboxId) === files.directory) return record;
  const message = `Cannot use the record "${files.record}": it is that of sandbox "${sandboxId}": remove it`;
  throw new StatusError(Code.FailedPrecondition, message);
}

function makeSandboxDirectory({ directory }: SandboxFiles): void {
  for (const path of [dirname(directory), directory]) makeUnlessThere(path);
}
