import { trace } from '@opentelemetry/api';
import { pino, type DestinationStream, type Logger } from 'pino';
import { openLogFile } from './log-file.ts';

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
    destination,
  );
  return { logger, setLevel: (next) => void (least = valueOf(next)) };
}

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
