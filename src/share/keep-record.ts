import type { Logger } from 'pino';
import type { Daemon } from '../daemon/contract.ts';
import { describeEnd, type DaemonExit } from '../daemon/exit.ts';
import { updateRecord, type ShareRecord } from './record.ts';
import type { ShareFiles, StateDirectory } from './state-directory.ts';

/** Changes what is on record of a share. */
export type ChangeRecord = (change: (record: ShareRecord) => ShareRecord) => void;

/** How the record of an open share is changed: where it cannot be written, the share goes on all the same. */
export function recordChanger(
  files: ShareFiles,
  { stateDir, log }: { stateDir: StateDirectory; log: Logger },
): ChangeRecord {
  return (change) => {
    if (!stateDir.isInPlace()) return;
    try {
      stateDir.reserve.use(() => updateRecord(files, change));
    } catch (error) {
      log.error({ path: files.record, err: error }, 'Cannot write down what became of a share');
    }
  };
}

/** Adds to what is on record of a share's daemon. */
export const withDaemon =
  (news: Partial<NonNullable<ShareRecord['daemon']>>) =>
  (record: ShareRecord): ShareRecord =>
    record.daemon ? { ...record, daemon: { ...record.daemon, ...news } } : record;

/** Writes down how a daemon has ended, and that its VMM had come where that was not seen before. */
export function noteEnd(daemon: Daemon, exit: DaemonExit, change: ChangeRecord): void {
  const { hadClient } = daemon;
  const connectedAt = hadClient ? { connectedAt: exit.exitedAt.toISOString() } : {};
  change((record) => withDaemon({ ...connectedAt, ...record.daemon, exit: describeEnd(exit) })(record));
}

/** Writes down that a daemon's VMM has come, for the next host. */
export function noteClient(daemon: Daemon, change: ChangeRecord): void {
  daemon.onChange(() => {
    if (daemon.state === 'connected') change(withDaemon({ connectedAt: new Date().toISOString() }));
  });
}
