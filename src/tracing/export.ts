import { context, diag, DiagLogLevel, propagation, ProxyTracerProvider, trace } from '@opentelemetry/api';
import type { SpanProcessor } from '@opentelemetry/sdk-trace';
import type { Logger } from 'pino';
import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../config/schema.ts';
import { messageOf } from '../errors.ts';

/** How long the last export may hold up the end of the process, in milliseconds: a dead collector takes 8 to 10 s. */
const SHUTDOWN_MS = 1500;
/** How long a span waits for others before it is sent, in milliseconds. */
const BATCH_MS = 1000;

/**
 * Starts the OpenTelemetry SDK where a collector or a processor is given; otherwise it is not even loaded.
 * Name, sampler and collector are set here and not left to the environment: containerd exports its own
 * OTEL_SERVICE_NAME into it. OTEL_SDK_DISABLED and OTEL_PROPAGATORS mean what they always mean.
 * Disposal sends what is queued, within a limit. A process has one tracing: where it is traced already, by the
 * program that uses this library or by another host, our spans go there.
 */
export async function startTracing(
  config: Config['trace'],
  { log, spanProcessors }: { log: Logger; spanProcessors: readonly SpanProcessor[] },
): Promise<AsyncDisposable> {
  if (config.endpoint === undefined && spanProcessors.length === 0) return nothing;
  const [{ NodeSDK }, { ParentBasedSampler, TraceIdRatioBasedSampler }, processors] = await Promise.all([
    import('@opentelemetry/sdk-node'),
    import('@opentelemetry/sdk-trace'),
    exporters(config),
  ]);
  if (isTraced()) {
    log.warn('This process is traced already: spans of this host go there and not to its trace.endpoint');
    return nothing;
  }
  diag.setLogger(diagTo(log), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  const sdk = new NodeSDK({
    serviceName: config.serviceName,
    autoDetectResources: false,
    resourceDetectors: [],
    metricReaders: [],
    logRecordProcessors: [],
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(config.sampleRatio) }),
    spanProcessors: [...spanProcessors, ...processors],
  });
  sdk.start();
  return {
    async [Symbol.asyncDispose]() {
      const cancel = new AbortController();
      const limit = delay(SHUTDOWN_MS, undefined, { signal: cancel.signal }).catch(() => {});
      const ending = sdk
        .shutdown()
        .catch((error: unknown) => log.warn(`Traces were lost: ${messageOf(error)}`));
      await Promise.race([ending, limit]);
      cancel.abort();
      for (const api of [trace, context, propagation, diag]) api.disable();
    },
  };
}

const nothing: AsyncDisposable = { [Symbol.asyncDispose]: () => Promise.resolve() };

/** The API's provider passes on to a registered one, and otherwise to the one that does nothing. */
function isTraced(): boolean {
  const provider = trace.getTracerProvider();
  return (
    !(provider instanceof ProxyTracerProvider) ||
    provider.getDelegate() !== new ProxyTracerProvider().getDelegate()
  );
}

async function exporters({ endpoint, timeoutMs }: Config['trace']): Promise<SpanProcessor[]> {
  if (endpoint === undefined) return [];
  const [{ OTLPTraceExporter }, { BatchSpanProcessor }] = await Promise.all([
    import('@opentelemetry/exporter-trace-otlp-proto'),
    import('@opentelemetry/sdk-trace'),
  ]);
  const url = `${endpoint.replace(/\/$/, '')}/v1/traces`;
  const exporter = new OTLPTraceExporter({ url, timeoutMillis: timeoutMs });
  return [new BatchSpanProcessor({ exporter, scheduledDelayMillis: BATCH_MS })];
}

function diagTo(
  log: Logger,
): Record<'error' | 'warn' | 'info' | 'debug' | 'verbose', (message: string) => void> {
  const at = (level: 'error' | 'warn' | 'info' | 'debug' | 'trace') => (message: string) =>
    log[level]({ source: 'opentelemetry' }, message);
  return { error: at('warn'), warn: at('warn'), info: at('info'), debug: at('debug'), verbose: at('trace') };
}
