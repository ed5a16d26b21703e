import {
  context,
  createContextKey,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type HrTime,
  type Span,
  type SpanContext,
  type SpanOptions,
  type Tracer,
} from '@opentelemetry/api';
import { codeName, StatusError } from 'ttrpc-ts';
import { messageOf } from '../errors.ts';
import { PACKAGE } from '../package.ts';

/** The tags that Kata puts on its spans, with our own package. A plugin's and a daemon's spans have a subsystem of theirs. */
const TAGS: Attributes = { source: 'runtime', package: PACKAGE, subsystem: 'host' };

/** How far the spans' clock may be off the wall clock, which itself has whole milliseconds. */
const MAX_DRIFT_MS = 5;

const INHERITED = createContextKey('attributes of every span below');

/** The tracer of this package; it does nothing until an SDK is registered. */
export const tracer = (): Tracer => trace.getTracer(PACKAGE);

/** How a span relates to others. */
export interface SpanRelation {
  readonly kind?: SpanKind;
  /** Parent context; the active one where absent. */
  readonly parent?: Context;
  /** Starts a trace of its own. */
  readonly root?: boolean;
  /** The span that started what this one ends. */
  readonly startedBy?: SpanContext | undefined;
}

/** Runs `action` in a span; a rejection sets its error status and passes through. */
export async function withSpan<T>(
  name: string,
  attributes: Attributes,
  action: (span: Span) => Promise<T>,
  relation: SpanRelation = {},
): Promise<T> {
  const [span, spanContext] = openSpan(name, attributes, relation);
  try {
    return await context.with(spanContext, action, undefined, span);
  } catch (error) {
    recordError(span, error);
    throw error;
  } finally {
    endSpan(span);
  }
}

/** {@link withSpan} for synchronous work. */
export function withSpanSync<T>(name: string, attributes: Attributes, action: (span: Span) => T): T {
  const [span, spanContext] = openSpan(name, attributes, {});
  try {
    return context.with(spanContext, action, undefined, span);
  } catch (error) {
    recordError(span, error);
    throw error;
  } finally {
    endSpan(span);
  }
}

/** Runs `action` so that every span below carries `attributes`. */
export function withAttributes<T>(attributes: Attributes, action: () => T): T {
  const inherited = context.active().getValue(INHERITED) as Attributes | undefined;
  return context.with(context.active().setValue(INHERITED, { ...inherited, ...attributes }), action);
}

/** Tells of an error in a span of its own, in which `tell` runs. */
export type ReportError = (name: string, attributes: Attributes, error: Error, tell: () => void) => void;

/**
 * Keeps the active span for errors that show up when it has ended: they belong to what it did, and stand below it in its
 * trace, where somebody looks who asks what became of it.
 */
export function reportLater(): ReportError {
  const kept = context.active();
  return (name, attributes, error, tell) =>
    context.with(kept, () => {
      const [span, spanContext] = openSpan(name, attributes, {});
      recordError(span, error);
      context.with(spanContext, tell);
      endSpan(span);
    });
}

/** Marks a span as failed; cancellations too, because the caller did not get what it asked for. */
export function recordError(span: Span, error: unknown): void {
  span.setStatus({ code: SpanStatusCode.ERROR, message: messageOf(error) });
  span.setAttribute('error.type', StatusError.is(error) ? codeName(error.code) : errorName(error));
  span.recordException(error instanceof Error ? error : String(error));
}

function openSpan(name: string, attributes: Attributes, relation: SpanRelation): [Span, Context] {
  const parent = relation.root ? ROOT_CONTEXT : (relation.parent ?? context.active());
  const inherited = context.active().getValue(INHERITED) as Attributes | undefined;
  const options: SpanOptions = {
    kind: relation.kind ?? SpanKind.INTERNAL,
    attributes: { ...TAGS, ...inherited, ...attributes },
    startTime: clock(),
    ...(relation.startedBy
      ? { links: [{ context: relation.startedBy, attributes: { 'link.relationship': 'started_by' } }] }
      : {}),
  };
  const span = tracer().startSpan(name, options, parent);
  return [span, trace.setSpan(parent.setValue(INHERITED, inherited), span)];
}

const endSpan = (span: Span): void => span.end(clock());

let clockOrigin = performance.timeOrigin;

/**
 * The time in microseconds, the same for all spans: the SDK fits each span's to the wall clock anew, which puts what
 * lies inside another span up to a millisecond outside of it. It follows the wall clock when that was set or has drifted.
 */
function clock(): HrTime {
  // Measured twice, because this process may be kept waiting between two readings.
  if (Math.abs(drift()) > MAX_DRIFT_MS) clockOrigin += drift();
  const ms = clockOrigin + performance.now();
  return [Math.trunc(ms / 1000), Math.round((ms % 1000) * 1e6)];
}

const drift = (): number => Date.now() - clockOrigin - performance.now();

const errorName = (error: unknown): string => (error instanceof Error ? error.name : typeof error);
