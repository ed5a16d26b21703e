import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { obtain } from '../../setup/obtain.ts';
import { temporaryDirectory } from '../temporary-directory.ts';
import { freePorts } from './free-ports.ts';
import { jaegerConfig } from './jaeger-config.ts';
import { startServer, type ServerProcess } from './server-process.ts';
import { outline, tree } from './span-tree.ts';
import { parseSpans, type Span } from './spans.ts';

/** How long to look, and for what. */
export interface FindOptions {
  /** When enough of the spans have arrived. @default there is one */
  readonly until?: (spans: readonly Span[]) => boolean;
  /** @default 120000 */
  readonly timeoutMs?: number;
}

/** What traces to look for. */
export interface TraceQuery extends FindOptions {
  readonly service: string;
  /** Name of a span in the trace. @default any */
  readonly operation?: string;
}

/** A real Jaeger of a test's own, in memory. Disposal ends it. */
export interface Jaeger extends AsyncDisposable {
  /** Takes OTLP over HTTP; the path of traces, `/v1/traces`, is to be added. */
  readonly otlpEndpoint: string;
  /** What makes containerd, and whatever reads the same variables, export here without delay. */
  readonly exportEnv: Readonly<Record<string, string>>;
  readonly queryUrl: string;
  /** Polls for one trace; throws with what it found when the time is up. */
  findTrace(traceId: string, options?: FindOptions): Promise<Span[]>;
  /** Polls for the spans of all traces that match; throws with what it found when the time is up. */
  findTraces(query: TraceQuery): Promise<Span[]>;
}

/** Starts Jaeger on free ports of 127.0.0.1 and returns when its query API answers. */
export async function startJaeger(): Promise<Jaeger> {
  const binary = await obtain('jaeger');
  await using stack = new AsyncDisposableStack();
  const { path: dir } = stack.use(await temporaryDirectory());
  const { running, otlpHttp, query } = await startOnFreePorts(binary, dir);
  stack.defer(() => running.stop('SIGTERM'));
  const owned = stack.move();
  const queryUrl = `http://127.0.0.1:${query}`;
  const otlpEndpoint = `http://127.0.0.1:${otlpHttp}`;
  return {
    otlpEndpoint,
    exportEnv: {
      OTEL_EXPORTER_OTLP_ENDPOINT: otlpEndpoint,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
      OTEL_BSP_SCHEDULE_DELAY: '100',
    },
    queryUrl,
    findTrace: (traceId, options = {}) =>
      poll(() => fetchSpans(`${queryUrl}/api/v3/traces/${traceId}`), options),
    findTraces: (wanted) =>
      poll(() => fetchSpans(`${queryUrl}/api/v3/traces?${searchOf(wanted).toString()}`), wanted),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function startOnFreePorts(
  binary: string,
  dir: string,
  attempt = 1,
): Promise<{ running: ServerProcess; query: number; otlpHttp: number }> {
  const [query = 0, queryGrpc = 0, otlpHttp = 0] = await freePorts(3);
  const configFile = join(dir, 'jaeger.yaml');
  await writeFile(configFile, await jaegerConfig({ query, queryGrpc, otlpHttp }));
  try {
    const running = await startServer({
      binary,
      args: ['--config', configFile],
      // Its own traces would go to a collector that is not there.
      env: { HOME: dir, OTEL_TRACES_SAMPLER: 'always_off' },
      logFile: join(dir, 'jaeger.log'),
      serves: () => answers(`http://127.0.0.1:${query}/api/v3/services`),
    });
    return { running, query, otlpHttp };
  } catch (error) {
    // Another process took one of the ports.
    if (attempt < 3 && String(error).includes('address already in use'))
      return startOnFreePorts(binary, dir, attempt + 1);
    throw error;
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

function searchOf({ service, operation }: TraceQuery): URLSearchParams {
  return new URLSearchParams({
    'query.service_name': service,
    ...(operation === undefined ? {} : { 'query.operation_name': operation }),
    'query.start_time_min': '2000-01-01T00:00:00Z',
    'query.start_time_max': new Date(Date.now() + 60_000).toISOString(),
    // Without it Jaeger 2.13 answers 500.
    'query.num_traces': '1000',
  });
}

async function fetchSpans(url: string): Promise<Span[]> {
  const response = await fetch(url);
  if (response.status === 404) return [];
  const body: unknown = await response.json();
  if (!response.ok) throw new Error(`Jaeger answered ${response.status}: ${JSON.stringify(body)}`);
  return parseSpans(typeof body === 'object' && body !== null && 'result' in body ? body.result : {});
}

async function poll(
  find: () => Promise<Span[]>,
  { until, timeoutMs = 120_000 }: FindOptions,
): Promise<Span[]> {
  const enough = until ?? ((spans) => spans.length > 0);
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const spans = await find();
    if (enough(spans)) return spans;
    if (Date.now() >= deadline)
      throw new Error(`Jaeger has no such trace after ${timeoutMs} ms, only:\n${outline(tree(spans))}`);
    await sleep(100);
  }
}
