import { diag } from '@opentelemetry/api';
import type { SpanProcessor } from '@opentelemetry/sdk-trace';
import type { Logger } from 'pino';
import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../config/schema.ts';
import { messageOf } from '../errors.ts';
import { openCollector } from './collector.ts';
import { diagnosticLevel, diagnosticsTo } from './diagnostics.ts';
import { firstApi, isTraced, noteRegistered, unseenApi } from './registered-api.ts';

/** How long the last export may hold up the end of the process, in milliseconds: a dead collector takes 8 to 10 s. */
const SHUTDOWN_MS = 1500;
/** How long a span waits for others before it is sent, in milliseconds. */
const BATCH_MS = 1000;

/** Where spans go besides the configured collector, and where problems are told. */
export interface TracingOptions {
  readonly log: Logger;
  readonly spanProcessors: readonly SpanProcessor[];
}

/**
 * Starts the OpenTelemetry SDK where a collector or a processor is given; otherwise it is not even loaded.
 * Name, sampler and collector are set here and not left to the environment: containerd exports its own
 * OTEL_SERVICE_NAME into it. OTEL_SDK_DISABLED and OTEL_PROPAGATORS mean what they always mean.
 * Disposal sends what is queued, within a limit. A process has one tracing: where it is traced already, by the
 * program that uses this library or by another host, our spans go there.
 */
export async function startTracing(
  config: Config['trace'],
  { log, spanProcessors }: TracingOptions,
): Promise<AsyncDisposable> {
  const isWanted = (config.endpoint !== undefined || spanProcessors.length > 0) && !isDisabled();
  const tracing = isWanted ? await startSdk(config, { log, spanProcessors }) : NOTHING;
  warnOfOtherCopies(log, { isWanted });
  return tracing;
}

const NOTHING: AsyncDisposable = { [Symbol.asyncDispose]: () => Promise.resolve() };

const isDisabled = (): boolean => process.env['OTEL_SDK_DISABLED']?.trim().toLowerCase() === 'true';

async function startSdk(
  config: Config['trace'],
  { log, spanProcessors }: TracingOptions,
): Promise<AsyncDisposable> {
  await using undo = new AsyncDisposableStack();
  const { BatchSpanProcessor, NodeSDK, ParentBasedSampler, TraceIdRatioBasedSampler } =
    await import('./sdk.ts');
  const { endpoint, timeoutMs, serviceName, sampleRatio } = config;
  const collector = endpoint === undefined ? undefined : await openCollector({ endpoint, timeoutMs, log });
  if (collector) undo.use(collector);
  if (isTraced()) {
    log.warn('This process is traced already: spans of this host go there and not to its trace.endpoint');
    return NOTHING;
  }
  const registered = noteRegistered();
  const sdk = new NodeSDK({
    serviceName,
    autoDetectResources: false,
    resourceDetectors: [],
    metricReaders: [],
    logRecordProcessors: [],
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(sampleRatio) }),
    spanProcessors: [
      ...spanProcessors,
      ...(collector ? [new BatchSpanProcessor({ ...collector, scheduledDelayMillis: BATCH_MS })] : []),
    ],
  });
  // Not before: where OTEL_LOG_LEVEL is set, the SDK puts one there that writes to the console.
  if (!registered.hasDiag)
    diag.setLogger(diagnosticsTo(log), { logLevel: diagnosticLevel(), suppressOverrideMessage: true });
  sdk.start();
  const own = undo.move();
  return {
    async [Symbol.asyncDispose]() {
      const cancel = new AbortController();
      const limit = delay(SHUTDOWN_MS, undefined, { signal: cancel.signal }).catch(() => {});
      const ending = sdk
        .shutdown()
        .catch((error: unknown) => log.warn(`Traces were lost: ${messageOf(error)}`));
      await Promise.race([ending, limit]);
      cancel.abort();
      await own.disposeAsync();
      registered.takeBack();
    },
  };
}

/** Copies of the tracing API that differ in version do not see each other, and only the first can register anything. */
function warnOfOtherCopies(log: Logger, { isWanted }: { isWanted: boolean }): void {
  const isLost = isWanted && !isTraced();
  const version = isLost ? firstApi() : unseenApi();
  if (version === undefined) return;
  log.warn(
    `This program uses another copy of @opentelemetry/api (${version}): spans of this host ` +
      `${isLost ? 'are lost' : "do not go to the program's exporter"}. Let both use one copy: ` +
      '"npm ls @opentelemetry/api" shows them, "npm dedupe" joins them',
  );
}
