import type { SpanContext } from '@opentelemetry/api';
import type { Logger } from 'pino';
import { DaemonError } from '../errors.ts';
import { isFailure, type DaemonExit } from './exit.ts';
import { spanOf } from './span-of.ts';

/**
 * Logs a daemon's end, and traces it as `<name>.quit`: a trace of its own, because it may come days after the start,
 * linked to the start's span. Only a daemon that failed makes it an error.
 */
export async function reportQuit(
  exit: DaemonExit,
  daemon: { spec: { name: string }; pid: number; log: Logger; startedBy: SpanContext | undefined },
): Promise<void> {
  const { spec, pid, log, startedBy } = daemon;
  const { exitCode, signal, cause, message, uptimeMs, lastLines } = exit;
  const { name } = spec;
  const attributes = {
    'process.pid': pid,
    ...(exitCode === undefined ? {} : { 'process.exit.code': exitCode }),
    ...(signal === undefined ? {} : { [`${name}.exit.signal`]: signal }),
    [`${name}.uptime_ms`]: uptimeMs,
    [`${name}.quit.cause`]: cause,
    [`${name}.quit.expected`]: !isFailure(cause),
  };
  const report = (): Promise<void> => {
    const fields = { 'process.pid': pid, exitCode, signal, cause };
    if (!isFailure(cause)) {
      log.info(fields, message);
      return Promise.resolve();
    }
    log.error({ ...fields, lastLines }, message);
    return Promise.reject(exitError(exit));
  };
  await spanOf(spec, 'quit', attributes, report, { root: true, startedBy }).catch(() => {});
}

/** The error that a daemon's end is for those who count on it. */
export function exitError({ cause, message, exitCode, signal, lastLines }: DaemonExit): DaemonError {
  return new DaemonError(message, { exit: { cause, exitCode, signal }, lastLines });
}
