import assert from 'node:assert/strict';
import { diag, DiagLogLevel, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import { describe, test } from 'node:test';
import { startTracing } from '../../src/tracing/export.ts';
import { withSpan } from '../../src/tracing/span.ts';
import { captureLog } from '../harness/captured-log.ts';
import { memorySpans } from '../harness/memory-spans.ts';
import { openOtlpCollector } from '../harness/otlp-collector.ts';

const settings = { serviceName: 'of-the-file', sampleRatio: 1, timeoutMs: 60_000 };

describe('startTracing()', () => {
  test('sends spans by OTLP over HTTP in protobuf, under the configured service name whatever the environment', async () => {
    await using own = await openOtlpCollector();
    process.env['OTEL_SERVICE_NAME'] = 'containerd-of-the-environment';
    process.env['OTEL_RESOURCE_ATTRIBUTES'] = 'service.name=containerd-of-the-attributes';
    try {
      const log = captureLog().log;
      const tracing = await startTracing(
        { ...settings, endpoint: `${own.endpoint}/` },
        { log, spanProcessors: [] },
      );
      await withSpan('a span of the test', { 'sandbox.id': 'the-sandbox' }, () => Promise.resolve());
      await tracing[Symbol.asyncDispose]();
    } finally {
      delete process.env['OTEL_SERVICE_NAME'];
      delete process.env['OTEL_RESOURCE_ATTRIBUTES'];
    }
    const [export1] = own.received;
    assert.equal(own.received.length, 1);
    assert.equal(export1?.method, 'POST');
    assert.equal(export1?.url, '/v1/traces');
    assert.equal(export1?.type, 'application/x-protobuf');
    for (const text of ['a span of the test', 'the-sandbox', 'of-the-file']) {
      assert.equal(export1?.body.includes(text), true, text);
    }
    assert.equal(export1?.body.includes('containerd-of'), false);
  });

  test('sends to the collector of the configuration, whatever the environment says', async () => {
    await using own = await openOtlpCollector();
    const environment = {
      OTEL_TRACES_EXPORTER: 'none',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      OTEL_TRACES_SAMPLER: 'always_off',
    };
    Object.assign(process.env, environment);
    try {
      const { log } = captureLog();
      const tracing = await startTracing(
        { ...settings, endpoint: own.endpoint },
        { log, spanProcessors: [] },
      );
      await withSpan('sent', {}, () => Promise.resolve());
      await tracing[Symbol.asyncDispose]();
    } finally {
      for (const name of Object.keys(environment)) delete process.env[name];
    }
    assert.equal(own.received[0]?.url, '/v1/traces');
    assert.equal(own.received[0]?.body.includes('sent'), true);
  });

  for (const [what, respond, timeoutMs] of [
    ['that refuses connections', undefined, 3000],
    ['that never answers', () => {}, 3_600_000],
  ] as const) {
    test(`ends within its limit and without rejecting with a collector ${what}`, async () => {
      await using own = respond ? await openOtlpCollector(respond) : undefined;
      const { log, lines } = captureLog();
      const endpoint = own?.endpoint ?? 'http://127.0.0.1:1';
      const tracing = await startTracing({ ...settings, endpoint, timeoutMs }, { log, spanProcessors: [] });
      await withSpan('lost', {}, () => Promise.resolve());
      await tracing[Symbol.asyncDispose]();
      assert.equal(trace.getActiveSpan(), undefined);
      if (!own)
        assert.equal(
          lines.every(({ source }) => source === 'opentelemetry'),
          true,
        );
    });
  }

  test('loads nothing and traces nothing where nobody wants spans', async () => {
    await using _ = await startTracing(settings, { log: captureLog().log, spanProcessors: [] });
    await withSpan('unseen', {}, (span) => {
      assert.equal(span.isRecording(), false);
      return Promise.resolve();
    });
  });

  test('starts again after it has ended, and leaves a tracing that runs alone', async () => {
    for (const _ of [1, 2]) {
      await using spans = await memorySpans();
      await withSpan('seen', {}, () => Promise.resolve());
      assert.equal(spans.named('seen').length, 1);
      const { log, lines } = captureLog();
      const exporter = new InMemorySpanExporter();
      const second = await startTracing(settings, {
        log,
        spanProcessors: [new SimpleSpanProcessor({ exporter })],
      });
      assert.match(lines[0]?.msg ?? '', /^This process is traced already/);
      await second[Symbol.asyncDispose]();
      await withSpan('still seen', {}, () => Promise.resolve());
      assert.equal(spans.named('still seen').length, 1);
    }
  });

  test('keeps the decision of a caller, and its own ratio for traces that start here', async () => {
    const exporter = new InMemorySpanExporter();
    await using _ = await startTracing(
      { ...settings, sampleRatio: 0 },
      { log: captureLog().log, spanProcessors: [new SimpleSpanProcessor({ exporter })] },
    );
    await withSpan('ours', {}, () => Promise.resolve());
    const caller = { traceId: '0123456789abcdef0123456789abcdef', spanId: '0123456789abcdef', traceFlags: 1 };
    const parent = trace.setSpanContext(ROOT_CONTEXT, caller);
    await withSpan("the caller's", {}, () => Promise.resolve(), { parent });
    assert.deepEqual(
      exporter.getFinishedSpans().map(({ name }) => name),
      ["the caller's"],
    );
  });

  test('takes what OpenTelemetry says into the log, from the level that OTEL_LOG_LEVEL names', async () => {
    for (const [level, expected] of [
      [undefined, ['a warning']],
      ['Info', ['an information', 'a warning']],
      ['nonsense', ['a warning']],
      ['none', []],
    ] as const) {
      if (level !== undefined) process.env['OTEL_LOG_LEVEL'] = level;
      const { log, lines } = captureLog();
      const spanProcessors = [new SimpleSpanProcessor({ exporter: new InMemorySpanExporter() })];
      // oxlint-disable-next-line no-await-in-loop -- one tracing at a time
      await using _ = await startTracing(settings, { log, spanProcessors });
      delete process.env['OTEL_LOG_LEVEL'];
      diag.info('an information');
      for (const warning of ['a warning', 'a warning']) diag.warn(warning);
      assert.deepEqual(
        lines.map(({ msg }) => msg),
        expected,
      );
    }
  });

  test('leaves alone what else the program has registered with the API', async () => {
    const told: string[] = [];
    const tell = (text: string): void => void told.push(text);
    diag.setLogger({ error: tell, warn: tell, info: tell, debug: tell, verbose: tell }, DiagLogLevel.WARN);
    try {
      const { log, lines } = captureLog();
      const spanProcessors = [new SimpleSpanProcessor({ exporter: new InMemorySpanExporter() })];
      const tracing = await startTracing(settings, { log, spanProcessors });
      diag.warn('during');
      await tracing[Symbol.asyncDispose]();
      diag.warn('after');
      assert.deepEqual([told, lines], [['during', 'after'], []]);
    } finally {
      diag.disable();
    }
  });
});
