import { SpanStatusCode } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';

/** Draws spans as a tree: name, duration, and an error's message; a trace of its own stands apart. */
export function formatSpans(spans: readonly ReadableSpan[]): string {
  const ids = new Set(spans.map((span) => span.spanContext().spanId));
  const childrenOf = (parentId: string | undefined): ReadableSpan[] =>
    spans
      .filter(({ parentSpanContext }) =>
        parentId === undefined
          ? !parentSpanContext || !ids.has(parentSpanContext.spanId)
          : parentSpanContext?.spanId === parentId,
      )
      .toSorted((a, b) => nanoseconds(a) - nanoseconds(b));
  const lines: string[] = [];
  const draw = (span: ReadableSpan, indent: string, branch: string): void => {
    const name = `${indent}${branch}${span.name}`;
    lines.push(`${name.padEnd(76)}${milliseconds(span)}${details(span)}`);
    const children = childrenOf(span.spanContext().spanId);
    const childIndent = indent + (branch === '' ? '' : branch === '└ ' ? '  ' : '│ ');
    for (const [index, child] of children.entries()) {
      draw(child, childIndent, index === children.length - 1 ? '└ ' : '├ ');
    }
  };
  for (const root of childrenOf(undefined)) draw(root, '', '');
  return lines.join('\n');
}

const nanoseconds = ({ startTime: [seconds, rest] }: ReadableSpan): number => seconds * 1e9 + rest;

const milliseconds = ({ duration: [seconds, rest] }: ReadableSpan): string =>
  `${(seconds * 1e3 + rest / 1e6).toFixed(2)} ms`.padStart(11);

function details({ attributes, links, status }: ReadableSpan): string {
  const { 'process.pid': value } = attributes;
  const pid = typeof value === 'number' ? `  pid ${value}` : '';
  const link = links.length > 0 ? '  (linked to its virtiofsd.start)' : '';
  return `${pid}${link}${status.code === SpanStatusCode.ERROR ? `  ERROR ${status.message ?? ''}` : ''}`;
}
