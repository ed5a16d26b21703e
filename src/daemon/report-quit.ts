import type { Attributes, SpanContext } from '@opentelemetry/api';
import type { Logger } from 'pino';
import { describeExit, DaemonError } from '../errors.ts';
import { withSpan } from '../tracing/span.ts';
import type { DaemonExit } from './daemon.ts';

/**
 * Logs a daemon's end, and traces it as `<name>.quit`: a trace of its own, because it may come days after the start,
 * linked to the start's span. Only a daemon that failed makes it an error.
 */
export async function reportQuit(
  exit: DaemonExit,
  daemon: { name: string; log: Logger; startedBy: SpanContext; attributes: Attributes },
): Promise<void> {
  const { name, log, startedBy } = daemon;
  const { exitCode, signal, reason, uptimeMs, lastLines } = exit;
  const attributes = {
    ...daemon.attributes,
    ...(exitCode === undefined ? {} : { 'process.exit.code': exitCode }),
    ...(signal === undefined ? {} : { [`${name}.exit.signal`]: signal }),
    [`${name}.uptime_ms`]: uptimeMs,
    [`${name}.quit.reason`]: reason,
    [`${name}.quit.expected`]: reason !== 'failed',
  };
  const text = `${name} ${describeExit(exit)}`;
  await withSpan(
    `${name}.quit`,
    attributes,
    () => {
      if (reason !== 'failed') {
        log.info({ ...daemon.attributes, exitCode, signal, reason }, text);
        return Promise.resolve();
      }
      log.error({ ...daemon.attributes, exitCode, signal, reason, lastLines }, text);
      return Promise.reject(new DaemonError(text, { exit: { exitCode, signal }, lastLines }));
    },
    { root: true, startedBy },
  ).catch(() => {});
}
