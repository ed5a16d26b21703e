import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { Code, StatusError } from 'ttrpc-ts';
import { watchedProcess } from '../daemon/process.ts';
import { terminate } from '../daemon/terminate.ts';
import type { Trash } from '../mount/trash.ts';
import { bootId, identify, isAlive, type ProcessIdentity } from '../proc/stat.ts';
import { namesIn } from './leftovers.ts';
import { readRecord, type ShareRecord } from './record.ts';
import { removeSandboxDirectory, removeShareFiles } from './remove.ts';
import { releaseScratch } from './scratch.ts';
import { shareFiles, type ShareFiles, type StateDirectory } from './state-directory.ts';

/** How long a daemon may take to end after SIGTERM before SIGKILL follows, in milliseconds. */
const STOP_TIMEOUT_MS = 2000;
/** How often the end of a daemon that is being ended is looked for, in milliseconds. */
const POLL_MS = 10;

/** What {@link reapSandbox} needs. */
export interface ReapParts {
  readonly stateDir: StateDirectory;
  readonly trash: Pick<Trash, 'remove'>;
  readonly log: Logger;
}

/**
 * Ends what a dead host left of a sandbox: daemons, sockets, directories that the host owned, records.
 *
 * @throws the first error, when all shares have been tried; what could not be removed stays on record
 */
export async function reapSandbox(directory: string, parts: ReapParts): Promise<void> {
  const tags = namesIn(directory);
  const results = await Promise.allSettled(
    tags.map((tag) => reapShare(shareFiles(join(directory, tag)), parts)),
  );
  const failure = results.find((result) => result.status === 'rejected');
  if (failure) throw failure.reason;
  removeSandboxDirectory(directory);
}

/** Ends what a dead host left of a share, and nothing that is not the share's. */
export async function reapShare(files: ShareFiles, { stateDir, trash, log }: ReapParts): Promise<void> {
  const record = readRecord(files);
  if (record) requireOwnRecord(files, record, stateDir);
  for (const identity of record ? findDaemons(files, record) : []) {
    log.info({ pid: identity.pid, share: record?.tag }, 'Ending a daemon whose host has gone');
    signalGroup(identity);
    // oxlint-disable-next-line no-await-in-loop -- there is one, but for a host that died while it started a second
    await terminate(identity, {
      timeoutMs: STOP_TIMEOUT_MS,
      exited: watchedProcess(identity, { intervalMs: POLL_MS }).ended,
      log,
    });
  }
  if (record && stateDir.ownsSocket(record.socketPath)) {
    for (const path of [record.socketPath, stateDir.apiSocketOf(record.socketPath)])
      rmSync(path, { force: true });
  }
  if (record?.ownsSource && stateDir.ownsSharedDirectory(record.source)) {
    await releaseScratch(record.source);
    trash.remove(record.source);
  }
  removeShareFiles(files, trash);
}

/** A copied record names what is another share's. */
function requireOwnRecord(
  { directory, record }: ShareFiles,
  { namespace, sandboxId, tag }: ShareRecord,
  stateDir: StateDirectory,
): void {
  if (stateDir.share(namespace, sandboxId, tag).directory === directory) return;
  const message = `Cannot use the record "${record}": it is that of share "${tag}" of sandbox "${sandboxId}": remove it`;
  throw new StatusError(Code.FailedPrecondition, message);
}

/**
 * The daemons of a share: known by what holds the file that takes their output. The record's pid alone could be that of
 * a stranger; one without a pid is of a host that died while it started the daemon.
 */
function findDaemons(files: ShareFiles, record: ShareRecord): ProcessIdentity[] {
  if (record.bootId !== bootId()) return [];
  const output = statSync(files.output, { throwIfNoEntry: false });
  if (!output) return [];
  const holds = (pid: number): boolean =>
    [1, 2].some((fd) => {
      const file = statOf(`/proc/${pid}/fd/${fd}`);
      return file?.ino === output.ino && file.dev === output.dev;
    });
  if (record.daemon) return isAlive(record.daemon) && holds(record.daemon.pid) ? [record.daemon] : [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && holds(Number(name)))
    .flatMap((name) => identify(Number(name)) ?? []);
}

function statOf(path: string): { ino: number; dev: number } | undefined {
  try {
    return statSync(path);
  } catch (error) {
    // Gone, or another user's where we are not quite root.
    if (['ENOENT', 'ESRCH', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

/** A wrapper may not pass the signal on. */
function signalGroup({ pid }: ProcessIdentity): void {
  try {
    process.kill(-pid, 'SIGTERM');
  } catch {} // it leads no group
}
