import type { Logger } from 'pino';
import { createLogger } from '../../src/tracing/log.ts';

/** One line of the log, parsed. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly level: string; readonly msg: string };

/** A log that a test can read. */
export interface CapturedLog {
  readonly log: Logger;
  /** It grows. */
  readonly lines: readonly LogLine[];
  /** The lines with this text. */
  withMessage(this: void, text: string): readonly LogLine[];
}

/** Creates the product's own log, at its lowest level, into memory. */
export function captureLog(): CapturedLog {
  const lines: LogLine[] = [];
  const log = createLogger('trace', { write: (text) => void lines.push(JSON.parse(text) as LogLine) });
  return { log, lines, withMessage: (text) => lines.filter(({ msg }) => msg === text) };
}
