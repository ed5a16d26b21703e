import type { SpanContext } from '@opentelemetry/api';
import { statSync } from 'node:fs';
import type { Logger } from 'pino';
import type { ProcessIdentity } from '../proc/stat.ts';
import { isStillDaemon } from './is-still-daemon.ts';
import type { Daemon } from './contract.ts';
import { superviseDaemon } from './daemon.ts';
import type { EndDescription } from './exit.ts';
import { endedProcess, watchedProcess } from './process.ts';
import { removeSocket } from './socket.ts';
import { spanOf } from './span-of.ts';
import type { DaemonTraits, Program } from './spec.ts';

/** What is on record of a daemon that another host started. */
export interface DaemonRecord extends ProcessIdentity, Program {
  readonly startedAt: string;
  readonly startSpan?: SpanContext | undefined;
  /** When its VMM came; absent where it had not. */
  readonly connectedAt?: string | undefined;
  /** How it ended, where that was seen. */
  readonly exit?: EndDescription | undefined;
  /** What its socket was bound to. @default nobody knows */
  readonly boundPath?: string | undefined;
}

/**
 * Takes over a daemon that another host started: what it is from now on, it is as if this host had started it, but that
 * its exit status stays unknown. One that has ended meanwhile is a daemon that exits at once.
 */
export async function adoptDaemon(
  record: DaemonRecord,
  { spec, log }: { spec: DaemonTraits; log: Logger },
): Promise<Daemon> {
  const { pid, startTime, startedAt, connectedAt, boundPath, exit, startSpan, ...program } = record;
  const identity = { pid, startTime };
  const isOurs = !exit && isStillDaemon(identity, spec.outputPath);
  const attributes = { 'process.pid': pid, [`${spec.name}.is_alive`]: isOurs };
  const supervise = async (): Promise<Daemon> => {
    const inode = statSync(spec.socketPath, { throwIfNoEntry: false })?.ino;
    return superviseDaemon({
      spec,
      program,
      process: isOurs ? watchedProcess(identity) : endedProcess(identity, exit ?? {}),
      log,
      startedBy: startSpan,
      removeSocket: () => removeSocket(spec.socketPath, inode),
      boundPath: boundPath ?? spec.socketPath,
      past: { startedAt: new Date(startedAt), hadClient: connectedAt !== undefined, end: exit },
    });
  };
  return spanOf(spec, 'adopt', attributes, supervise, { root: true, startedBy: startSpan });
}
