import type { Logger } from 'pino';
import type { DaemonTraits } from './spec.ts';

type Parts = { spec: DaemonTraits; log: Logger; process: { identity: { pid: number } } };

/** Takes out of a line of a daemon's output what nobody may read; where that fails, nobody gets to read the line. */
export function maskLine(line: string, { spec, log, process }: Parts): string {
  try {
    return spec.mask ? spec.mask(line) : line;
  } catch (error) {
    log.error({ pid: process.identity.pid, err: error }, `Cannot mask the output of ${spec.name}`);
    return '(a line is left out: it cannot be masked)';
  }
}

/** Logs a line of a daemon's output, and passes it on to who knows that daemon; where that fails, the daemon goes on. */
export function passOn(line: string, { spec, log, process }: Parts): void {
  const { pid } = process.identity;
  log[spec.levelOf?.(line) ?? 'info']({ source: spec.name, pid }, line);
  try {
    spec.onLine?.(line);
  } catch (error) {
    log.error({ pid, err: error }, `Cannot follow the output of ${spec.name}`);
  }
}
