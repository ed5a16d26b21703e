import type { Attributes, Span } from '@opentelemetry/api';
import { withSpan, withSpanSync, type SpanRelation } from '../tracing/span.ts';

/** Runs a step of a daemon's life in the span `<name>.<step>`, whose subsystem is the daemon's name. */
export const spanOf = <T>(
  { name }: { name: string },
  step: string,
  attributes: Attributes,
  action: (span: Span) => Promise<T>,
  relation?: SpanRelation,
): Promise<T> => withSpan(`${name}.${step}`, { subsystem: name, ...attributes }, action, relation);

/** {@link spanOf} for a synchronous step. */
export const spanOfSync = <T>(
  { name }: { name: string },
  step: string,
  attributes: Attributes,
  action: (span: Span) => T,
): T => withSpanSync(`${name}.${step}`, { subsystem: name, ...attributes }, action);
