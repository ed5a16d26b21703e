import { z } from 'zod';

/** A value of a span attribute. */
export type AttributeValue = string | number | boolean | readonly AttributeValue[] | undefined;

/** Attributes by key. */
export type Attributes = Readonly<Record<string, AttributeValue>>;

/** A span as a test wants to see it. */
export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  /** Undefined at a root. */
  readonly parentSpanId: string | undefined;
  readonly name: string;
  /** `service.name` of its resource. */
  readonly service: string;
  readonly attributes: Attributes;
  readonly resource: Attributes;
  readonly kind: 'unspecified' | 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  readonly status: { readonly code: 'unset' | 'ok' | 'error'; readonly message: string };
  readonly events: readonly { readonly name: string; readonly attributes: Attributes }[];
  readonly links: readonly {
    readonly traceId: string;
    readonly spanId: string;
    readonly attributes: Attributes;
  }[];
  /** Since 1970. */
  readonly startNs: bigint;
  /** Since 1970. */
  readonly endNs: bigint;
}

/** The spans of an OTLP/JSON `TracesData`. */
export function parseSpans(tracesData: unknown): Span[] {
  return tracesDataSchema.parse(tracesData).resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const resourceAttributes = toAttributes(resource.attributes);
    return scopeSpans.flatMap(({ spans }) => spans.map((span) => toSpan(span, resourceAttributes)));
  });
}

const anyValueSchema = z.object({
  stringValue: z.string().optional(),
  boolValue: z.boolean().optional(),
  intValue: z.coerce.number().optional(),
  doubleValue: z.number().optional(),
  get arrayValue() {
    return z.object({ values: z.array(anyValueSchema).default([]) }).optional();
  },
});
const attributesSchema = z.array(z.object({ key: z.string(), value: anyValueSchema })).default([]);
const spanSchema = z.object({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().default(''),
  name: z.string(),
  kind: z.number().default(0),
  startTimeUnixNano: z.string(),
  endTimeUnixNano: z.string(),
  attributes: attributesSchema,
  status: z.object({ code: z.number().default(0), message: z.string().default('') }).prefault({}),
  events: z.array(z.object({ name: z.string().default(''), attributes: attributesSchema })).default([]),
  links: z
    .array(z.object({ traceId: z.string(), spanId: z.string(), attributes: attributesSchema }))
    .default([]),
});
const tracesDataSchema = z.object({
  resourceSpans: z
    .array(
      z.object({
        resource: z.object({ attributes: attributesSchema }).prefault({}),
        scopeSpans: z.array(z.object({ spans: z.array(spanSchema).default([]) })).default([]),
      }),
    )
    .default([]),
});
const KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'] as const;
const STATUS_CODES = ['unset', 'ok', 'error'] as const;

function toSpan(span: z.infer<typeof spanSchema>, resource: Attributes): Span {
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId === '' ? undefined : span.parentSpanId,
    name: span.name,
    service: String(resource['service.name']),
    attributes: toAttributes(span.attributes),
    resource,
    kind: KINDS[span.kind] ?? 'unspecified',
    status: { code: STATUS_CODES[span.status.code] ?? 'unset', message: span.status.message },
    events: span.events.map(({ name, attributes }) => ({ name, attributes: toAttributes(attributes) })),
    links: span.links.map((link) => ({ ...link, attributes: toAttributes(link.attributes) })),
    startNs: BigInt(span.startTimeUnixNano),
    endNs: BigInt(span.endTimeUnixNano),
  };
}

function toAttributes(attributes: z.infer<typeof attributesSchema>): Attributes {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, toValue(value)]));
}

function toValue({
  stringValue,
  boolValue,
  intValue,
  doubleValue,
  arrayValue,
}: z.infer<typeof anyValueSchema>): AttributeValue {
  return stringValue ?? boolValue ?? intValue ?? doubleValue ?? arrayValue?.values.map(toValue);
}
