import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import type { Logger } from 'pino';
import { watchedProcess } from '../daemon/process.ts';
import { terminate } from '../daemon/terminate.ts';
import { isStillDaemon } from '../daemon/is-still-daemon.ts';
import { holdsFile, isShellWith, type FileIdentity } from '../proc/holds-file.ts';
import { bootId, identify, type ProcessIdentity } from '../proc/stat.ts';
import { sharesIn } from './leftovers.ts';
import { readOwnRecord, type ShareRecord } from './record.ts';
import { removeSource } from './remove-source.ts';
import { removeSandboxFiles, removeShareFiles } from './remove.ts';
import { sandboxFiles } from './sandbox-files.ts';
import { readSandboxRecord } from './sandbox-record.ts';
import type { ShareFiles, StateDirectory } from './state-directory.ts';

/** How long a daemon may take to end after SIGTERM before SIGKILL follows, in milliseconds. */
const STOP_TIMEOUT_MS = 2000;
/** How often the end of a daemon that is being ended is looked for, in milliseconds. */
const POLL_MS = 10;

/** What {@link reapSandbox} needs. */
export interface ReapParts {
  readonly stateDir: StateDirectory;
  readonly log: Logger;
}

/**
 * Ends what a dead host left of a sandbox: daemons, sockets, directories that the host owned, its record last.
 *
 * @throws the first error, when all shares have been tried; what could not be removed stays on record
 */
export async function reapSandbox(directory: string, parts: ReapParts): Promise<void> {
  await reapShares(sharesIn(directory), parts);
  const files = sandboxFiles(directory);
  // Says so where it cannot be read: it may be of use to another version of this program.
  readSandboxRecord(files, parts.stateDir);
  removeSandboxFiles(files);
}

/** {@link reapSandbox} for some shares of one. */
export async function reapShares(shares: readonly ShareFiles[], parts: ReapParts): Promise<void> {
  const results = await Promise.allSettled(shares.map((files) => reapShare(files, parts)));
  const failure = results.find((result) => result.status === 'rejected');
  if (failure) throw failure.reason;
}

/** Ends what a dead host left of a share, and nothing that is not the share's. */
export async function reapShare(files: ShareFiles, { stateDir, log }: ReapParts): Promise<void> {
  const record = readOwnRecord(files, stateDir);
  for (const identity of findDaemons(files, record)) {
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
  if (record?.ownsSource && stateDir.ownsSharedDirectory(record.source)) await removeSource(record, stateDir);
  removeShareFiles(files, stateDir);
}

/**
 * The daemons of a share: known by what holds the file that takes their output. The record's pid alone could be that of
 * a stranger; one without a pid is of a host that died while it started the daemon, and somebody may have removed one.
 */
function findDaemons(files: ShareFiles, record: ShareRecord | undefined): ProcessIdentity[] {
  if (record && record.bootId !== bootId()) return [];
  if (record?.daemon) return isStillDaemon(record.daemon, files.output) ? [record.daemon] : [];
  if (record) preventStart(files);
  const outputs = [files.output, files.reapedOutput].flatMap((path) => {
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat?.isFile() ? stat : [];
  });
  return outputs.flatMap(holdersOf);
}

function holdersOf(output: FileIdentity): ProcessIdentity[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => holdsFile(pid, output) || isShellWith(pid, output))
    .flatMap((pid) => identify(pid) ?? []);
}

/**
 * A starter may have been told to become the daemon, and not have done it yet. From now on it cannot: it has opened the
 * file for its output, or never will.
 */
function preventStart({ output, reapedOutput }: ShareFiles): void {
  if (statSync(output, { throwIfNoEntry: false })?.isFile()) renameSync(output, reapedOutput);
  mkdirSync(output, { recursive: true });
}

/** A wrapper may not pass the signal on. */
function signalGroup({ pid }: ProcessIdentity): void {
  try {
    process.kill(-pid, 'SIGTERM');
  } catch {} // it leads no group
}
