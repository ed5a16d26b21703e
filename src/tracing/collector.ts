import type { SpanExporter } from '@opentelemetry/sdk-trace';
import type { Logger } from 'pino';
import { createReport } from './export-report.ts';
import { followRequests, type Exchange } from './follow-requests.ts';
import { tracesUrl } from './traces-url.ts';

/** A collector of spans. Disposal gives up what is being sent to it. */
export interface Collector extends Disposable {
  readonly exporter: SpanExporter;
}

/** Where a collector is, and how long one export to it may take. */
export interface CollectorOptions {
  /** With or without `/v1/traces`; a query stays. */
  readonly endpoint: string;
  readonly timeoutMs: number;
  readonly log: Logger;
}

type ExportResult = Parameters<Parameters<SpanExporter['export']>[1]>[0];

// oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- the enumeration is @opentelemetry/core's, which is no dependency
const SUCCESS: ExportResult = { code: 0 };

/**
 * Opens a collector that takes OTLP over HTTP in protobuf. What it answers is logged when that changes. An export ends
 * with its limit, however slowly the collector answers; the exporter itself only limits how long nothing comes.
 */
export async function openCollector({ endpoint, timeoutMs, log }: CollectorOptions): Promise<Collector> {
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-proto');
  const url = tracesUrl(endpoint);
  const inner = new OTLPTraceExporter({ url: url.href, timeoutMillis: timeoutMs });
  const requests = followRequests();
  const closing = new AbortController();
  const report = createReport(log, `${url.origin}${url.pathname}`);

  const send = async (spans: Spans): Promise<void> => {
    const exchange: Exchange = { signal: AbortSignal.any([closing.signal, AbortSignal.timeout(timeoutMs)]) };
    const { promise, resolve } = Promise.withResolvers<Error | undefined>();
    exchange.signal.addEventListener('abort', () => resolve(exchange.signal.reason as Error), { once: true });
    requests.follow(exchange, () => inner.export(spans, ({ error }) => resolve(error)));
    const problem = await promise;
    report(spans.length, problem && { problem, outcome: exchange.outcome });
  };
  return {
    exporter: {
      // The processor would log the whole of a failure again.
      export: (spans, done) => void send(spans).finally(() => done(SUCCESS)),
      forceFlush: () => inner.forceFlush(),
      shutdown: () => inner.shutdown(),
    },
    [Symbol.dispose]() {
      closing.abort(new Error('this host ended before the collector had answered'));
      // Until it is done it may send a request again.
      void inner.forceFlush().finally(() => requests[Symbol.dispose]());
    },
  };
}

type Spans = Parameters<SpanExporter['export']>[0];
