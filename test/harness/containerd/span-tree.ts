import type { Span } from './spans.ts';

/** A span with the spans that it is the parent of. */
export interface SpanNode {
  readonly span: Span;
  readonly children: readonly SpanNode[];
}

/** Arranges spans by parent, siblings by start; a span whose parent is not among them is a root. */
export function tree(spans: readonly Span[]): SpanNode[] {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  const byParent = Map.groupBy(spans.toSorted(byStart), ({ parentSpanId }) =>
    parentSpanId !== undefined && ids.has(parentSpanId) ? parentSpanId : undefined,
  );
  const nodesBelow = (parent: string | undefined): SpanNode[] =>
    (byParent.get(parent) ?? []).map((span) => ({ span, children: nodesBelow(span.spanId) }));
  return nodesBelow(undefined);
}

/** The tree as indented lines, for the message of a failing test: service, name, duration, error. */
export function outline(nodes: readonly SpanNode[], indent = ''): string {
  return nodes
    .map(({ span, children }) => {
      const ms = Number(span.endNs - span.startNs) / 1e6;
      const error = span.status.code === 'error' ? ` ERROR ${span.status.message}` : '';
      const line = `${indent}[${span.service}] ${span.name} ${ms.toFixed(3)} ms${error}\n`;
      return line + outline(children, `${indent}  `);
    })
    .join('');
}

/** A span and all that it is in, outwards. */
export function ancestry(spans: readonly Span[], span: Span): Span[] {
  const parent = spans.find(({ spanId }) => spanId === span.parentSpanId);
  return [span, ...(parent ? ancestry(spans, parent) : [])];
}

function byStart(a: Span, b: Span): number {
  return Number(a.startNs - b.startNs);
}
