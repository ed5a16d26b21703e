import type { Daemon } from '../daemon/contract.ts';
import type { ShareRecord } from './record.ts';

/** What stands in a share's record of a daemon that this process starts. */
export function daemonRecord(daemon: Daemon): NonNullable<ShareRecord['daemon']> {
  const { identity, program, boundPath, startedBy: span } = daemon;
  const { command, args, version } = program;
  return {
    ...identity,
    startedAt: new Date().toISOString(),
    command,
    args: [...args],
    boundPath,
    ...(version === undefined ? {} : { version }),
    ...(span
      ? { startSpan: { traceId: span.traceId, spanId: span.spanId, traceFlags: span.traceFlags } }
      : {}),
  };
}
