import type { Logger } from 'pino';
import type { DaemonTraits } from './spec.ts';

/** Logs a line of a daemon's output, and passes it on to who knows that daemon; where that fails, the daemon goes on. */
export function passOn(
  line: string,
  { spec, log, process }: { spec: DaemonTraits; log: Logger; process: { identity: { pid: number } } },
): void {
  const { pid } = process.identity;
  log[spec.levelOf?.(line) ?? 'info']({ source: spec.name, pid }, line);
  try {
    spec.onLine?.(line);
  } catch (error) {
    log.error({ pid, err: error }, `Cannot follow the output of ${spec.name}`);
  }
}
