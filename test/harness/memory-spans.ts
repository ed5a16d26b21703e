import assert from 'node:assert/strict';
import { InMemorySpanExporter, SimpleSpanProcessor, type ReadableSpan } from '@opentelemetry/sdk-trace';
import { startTracing } from '../../src/tracing/export.ts';
import { captureLog } from './captured-log.ts';

/** The spans that ended since. */
export interface MemorySpans extends AsyncDisposable {
  readonly all: readonly ReadableSpan[];
  /** The only span of this name. */
  one(name: string): ReadableSpan;
  named(name: string): readonly ReadableSpan[];
}

/** Starts tracing into memory; one at a time in a process. */
export async function memorySpans(): Promise<MemorySpans> {
  const exporter = new InMemorySpanExporter();
  const config = { serviceName: 'test', sampleRatio: 1, timeoutMs: 1000 };
  const spanProcessors = [new SimpleSpanProcessor({ exporter })];
  const tracing = await startTracing(config, { log: captureLog().log, spanProcessors });
  const finished: ReadableSpan[] = [];
  const collect = (): ReadableSpan[] => {
    finished.push(...exporter.getFinishedSpans());
    exporter.reset();
    return finished;
  };
  const named = (name: string): ReadableSpan[] => collect().filter((span) => span.name === name);
  return {
    get all() {
      return collect();
    },
    named,
    one(name) {
      const spans = named(name);
      assert.equal(
        spans.length,
        1,
        `${spans.length} spans "${name}" of ${finished.map((span) => span.name).join(', ')}`,
      );
      return spans[0] as ReadableSpan;
    },
    [Symbol.asyncDispose]: () => tracing[Symbol.asyncDispose](),
  };
}
