import { trace } from '@opentelemetry/api';
import { pino, type DestinationStream, type Logger } from 'pino';
import { Listeners } from '../async/listeners.ts';
import { openLogFile } from './log-file.ts';

/** Those who follow a log that was made here. */
const followers = new WeakMap<Logger, Listeners<[string]>>();

let standardError: DestinationStream | undefined;

/**
 * Creates the log: JSON lines on standard error unless `destination` says otherwise, with the active trace's ids.
 */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  return createAdjustableLogger(level, destination ?? (standardError ??= openLogFile(2))).logger;
}

/** A log whose level can be changed, for its children too. */
export interface AdjustableLogger {
  readonly logger: Logger;
  setLevel(this: void, level: string): void;
}

/** {@link createLogger} for a host whose level can be changed. */
export function createAdjustableLogger(level: string, destination: DestinationStream): AdjustableLogger {
  let least = valueOf(level);
  // To log what a follower throws would lead to it again.
  const listeners = new Listeners<[string]>(() => {});
  const logger = pino(
    {
      // What is below the level is left out below: a child of pino's keeps the level that it was created with.
      level: 'trace',
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      mixin: traceIds,
      hooks: {
        logMethod(args, method, value) {
          if (value >= least) method.apply(this, args);
        },
      },
    },
    {
      write(line) {
        destination.write(line);
        listeners.call(line);
      },
    },
  );
  followers.set(logger, listeners);
  return { logger, setLevel: (next) => void (least = valueOf(next)) };
}

/** Calls the listener with each line, until disposal; nothing follows a logger that was not made here. */
export const followLog = (log: Logger, listener: (line: string) => void): Disposable =>
  followers.get(log)?.add(listener) ?? { [Symbol.dispose]: () => {} };

const valueOf = (level: string): number => pino.levels.values[level] ?? Infinity;

/** A mixin instead of an instrumentation or a transport: those do not survive ES modules and bundling. */
function traceIds(): Record<string, string> {
  const span = trace.getActiveSpan()?.spanContext();
  if (!span) return {};
  return {
    trace_id: span.traceId,
    span_id: span.spanId,
    trace_flags: span.traceFlags.toString(16).padStart(2, '0'),
  };
}
