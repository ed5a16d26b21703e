import { existsSync, rmSync } from 'node:fs';
import type { Logger } from 'pino';
import { messageOf } from '../errors.ts';
import { bootId } from '../proc/stat.ts';
import type { SandboxFiles } from './sandbox-files.ts';
import { readSandboxRecord, type SandboxRecord } from './sandbox-record.ts';
import type { StateDirectory } from './state-directory.ts';

/** What a host that has gone left on disk of a sandbox itself. */
export interface FoundRecord {
  /** Undefined where there is none, as of an older version of this program. */
  readonly record: SandboxRecord | undefined;
  /** True where nothing of the sandbox is to be left: it was being made, started or deleted, or is of before the last boot. */
  readonly isNobodys: boolean;
  readonly isUnreadable: boolean;
}

/** Reads a sandbox's record, and warns of one that cannot be read. What its host was writing when it died is removed. */
export function findSandboxRecord(
  files: SandboxFiles,
  { stateDir, log }: { stateDir: StateDirectory; log: Logger },
): FoundRecord {
  try {
    rmSync(files.newRecord, { force: true });
    const record = readSandboxRecord(files, stateDir);
    const isNobodys = record ? isForgotten(record) : existsSync(files.begunRecord);
    return { record, isNobodys, isUnreadable: false };
  } catch (error) {
    log.warn({ path: files.record, err: error }, `${messageOf(error)}. Its shares are adopted without it`);
    return { record: undefined, isNobodys: false, isUnreadable: true };
  }
}

/**
 * True for what nobody knows any more. containerd forgets a sandbox whose creation or start fails, as it does for want of
 * an answer, and asks nobody to remove it whose host is gone.
 */
const isForgotten = (record: SandboxRecord): boolean =>
  (record.owner === 'controller' && !record.isStarted && !mayBeStarted(record)) ||
  record.ending === 'delete' ||
  record.bootId !== bootId();

/** Between the two calls containerd may take seconds, as to pull a pause image. */
const mayBeStarted = ({ startBy }: SandboxRecord): boolean =>
  startBy !== undefined && Date.parse(startBy) > Date.now();
