import type { SpanContext } from '@opentelemetry/api';
import type { Logger } from 'pino';
import { describeExit, DaemonError } from '../errors.ts';
import type { DaemonExit } from './exit.ts';
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
  const { exitCode, signal, reason, uptimeMs, lastLines } = exit;
  const { name } = spec;
  const attributes = {
    'process.pid': pid,
    ...(exitCode === undefined ? {} : { 'process.exit.code': exitCode }),
    ...(signal === undefined ? {} : { [`${name}.exit.signal`]: signal }),
    [`${name}.uptime_ms`]: uptimeMs,
    [`${name}.quit.reason`]: reason,
    [`${name}.quit.expected`]: reason !== 'failed',
  };
  const text = `${name} ${describeExit(exit)}`;
  const report = (): Promise<void> => {
    const fields = { 'process.pid': pid, exitCode, signal, reason };
    if (reason !== 'failed') {
      log.info(fields, text);
      return Promise.resolve();
    }
    log.error({ ...fields, lastLines }, text);
    return Promise.reject(new DaemonError(text, { exit: { exitCode, signal }, lastLines }));
  };
  await spanOf(spec, 'quit', attributes, report, { root: true, startedBy }).catch(() => {});
}
