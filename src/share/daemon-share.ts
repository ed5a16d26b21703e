import type { Logger } from 'pino';
import { singleFlight } from '../async/single-flight.ts';
import type { Daemon } from '../daemon/daemon.ts';
import { describeEnd } from '../daemon/exit.ts';
import { inShare } from './in-share.ts';
import type { PluginContext, Share } from './contract.ts';
import { readRecord, updateRecord, type ShareRecord } from './record.ts';
import { removeSource } from './remove-source.ts';
import { removeShareFiles } from './remove.ts';
import type { ShareFiles, StateDirectory } from './state-directory.ts';

/** What of a plugin's context a share needs. */
export type ShareContext = Pick<PluginContext, 'stateDir' | 'daemons' | 'log'>;

/** A share that one daemon serves, and what is on record of it. */
export interface DaemonShareParts {
  readonly files: ShareFiles;
  readonly record: ShareRecord;
  readonly daemon: Daemon;
  /** True where another host started the daemon. */
  readonly adopted: boolean;
}

/** The share that a daemon serves, opened or adopted. Its record follows what becomes of the daemon. */
export function createDaemonShare(context: ShareContext, parts: DaemonShareParts): Share {
  const { record, daemon, adopted } = parts;
  const { tag, queueSize } = record;
  const { apiSocketPath } = daemon;
  const api = apiSocketPath === undefined ? {} : { apiSocketPath };
  const paths = { socketPath: record.socketPath, ...api, sharedDir: record.source };
  const { pid } = daemon.identity;
  const ready = inShare(tag, () => daemon.ready);
  ready.catch(() => {});
  keepRecord(context, parts);
  return {
    tag,
    ...paths,
    queueSize,
    pid,
    ready,
    closed: daemon.exited,
    status: () => ({
      tag,
      state: daemon.state,
      pid,
      ...paths,
      queueSize,
      adopted,
      lastLines: [...daemon.lastLines],
      ...(daemon.exit ? { exit: describeEnd(daemon.exit) } : {}),
    }),
    onChange: (listener) => daemon.onChange(listener),
    [Symbol.asyncDispose]: singleFlight(() => close(context, parts)),
  };
}

/** Writes down that the VMM has come and how the daemon ended, for the next host. */
function keepRecord({ stateDir, log }: ShareContext, { files, daemon }: DaemonShareParts): void {
  const note = (change: Partial<NonNullable<ShareRecord['daemon']>>): void =>
    changeRecord({ files, stateDir, log }, (record) =>
      record.daemon ? { ...record, daemon: { ...record.daemon, ...change } } : record,
    );
  daemon.onChange(() => {
    if (daemon.state === 'connected') note({ connectedAt: new Date().toISOString() });
  });
  void daemon.exited.then((exit) => {
    if (exit.cause !== 'stopped') note({ exit: describeEnd(exit) });
  });
}

async function close(context: ShareContext, { files, record, daemon }: DaemonShareParts): Promise<void> {
  const { stateDir, log } = context;
  changeRecord({ files, stateDir, log }, (former) => ({ ...former, isClosing: true }));
  await daemon.stop();
  if (record.ownsSource) await removeSource(readRecord(files) ?? record, stateDir);
  // Last, so that what could not be removed stays on record.
  if (stateDir.isInPlace()) removeShareFiles(files, stateDir);
}

/** Where the record cannot be written, the share goes on all the same. */
function changeRecord(
  { files, stateDir, log }: { files: ShareFiles; stateDir: StateDirectory; log: Logger },
  change: (record: ShareRecord) => ShareRecord,
): void {
  if (!stateDir.isInPlace()) return;
  try {
    stateDir.reserve.use(() => updateRecord(files, change));
  } catch (error) {
    log.error({ path: files.record, err: error }, 'Cannot write down what became of a share');
  }
}
