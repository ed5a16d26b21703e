import assert from 'node:assert/strict';
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { describe, mock, test } from 'node:test';
import { Code, StatusError } from 'ttrpc-ts';
import { reportLater, withAttributes, withSpan, withSpanSync } from '../../src/tracing/span.ts';
import { memorySpans } from '../harness/memory-spans.ts';

describe('withSpan()', () => {
  test('tags the span, passes the result on and is the parent of what is within', async () => {
    await using spans = await memorySpans();
    const result = await withSpan('outer', { key: 'value' }, async () => {
      await Promise.resolve();
      return withSpanSync('inner', {}, () => trace.getActiveSpan()?.spanContext().spanId);
    });
    const [outer, inner] = [spans.one('outer'), spans.one('inner')];
    assert.equal(result, inner.spanContext().spanId);
    assert.equal(inner.parentSpanContext?.spanId, outer.spanContext().spanId);
    assert.deepEqual(outer.attributes, {
      source: 'runtime',
      package: 'containerd-shim-virtiofs',
      subsystem: 'host',
      key: 'value',
    });
    assert.equal(outer.status.code, SpanStatusCode.UNSET);
    assert.equal(outer.kind, SpanKind.INTERNAL);
  });

  test('marks a failure with status, type and exception, and passes it on', async () => {
    await using spans = await memorySpans();
    const error = new StatusError(Code.NotFound, 'no such thing');
    await assert.rejects(
      withSpan('fails', {}, () => Promise.reject(error)),
      error,
    );
    assert.throws(
      () =>
        withSpanSync('throws', {}, () => {
          throw new RangeError('too far');
        }),
      RangeError,
    );
    const [fails, throws] = [spans.one('fails'), spans.one('throws')];
    assert.deepEqual(fails.status, { code: SpanStatusCode.ERROR, message: 'no such thing' });
    assert.equal(fails.attributes['error.type'], 'NotFound');
    assert.equal(fails.events[0]?.name, 'exception');
    assert.equal(throws.attributes['error.type'], 'RangeError');
  });

  test('gives every span below withAttributes() its attributes, also in a trace of its own', async () => {
    await using spans = await memorySpans();
    const startedBy = await withAttributes({ 'sandbox.id': 'a', level: 1 }, () =>
      withAttributes({ level: 2 }, () =>
        withSpan('one', {}, async (span) => {
          await withSpan('two', { level: 3 }, () => Promise.resolve());
          await withSpan('three', {}, () => Promise.resolve(), { root: true, startedBy: span.spanContext() });
          return span.spanContext();
        }),
      ),
    );
    const of = (name: string): unknown[] => [
      spans.one(name).attributes['sandbox.id'],
      spans.one(name).attributes['level'],
    ];
    assert.deepEqual(
      [of('one'), of('two'), of('three')],
      [
        ['a', 2],
        ['a', 3],
        ['a', 2],
      ],
    );
    const three = spans.one('three');
    assert.equal(three.parentSpanContext, undefined);
    assert.notEqual(three.spanContext().traceId, startedBy.traceId);
    assert.equal(three.links[0]?.context.spanId, startedBy.spanId);
    await withSpan('outside', {}, () => Promise.resolve());
    assert.equal(spans.one('outside').attributes['sandbox.id'], undefined);
  });

  test('takes a parent from elsewhere', async () => {
    await using spans = await memorySpans();
    const remote = { traceId: '0123456789abcdef0123456789abcdef', spanId: '0123456789abcdef', traceFlags: 1 };
    await withSpan('child', {}, () => Promise.resolve(), {
      parent: trace.setSpanContext(ROOT_CONTEXT, remote),
    });
    const child = spans.one('child');
    assert.equal(child.spanContext().traceId, remote.traceId);
    assert.equal(child.parentSpanContext?.spanId, remote.spanId);
  });

  test('follows the wall clock when it was set, or the machine slept', async () => {
    await using spans = await memorySpans();
    const anHour = 3_600_000;
    const now = Date.now();
    mock.timers.enable({ apis: ['Date'], now: now + anHour });
    try {
      await withSpan('later', {}, () => Promise.resolve());
    } finally {
      mock.timers.reset();
    }
    const { startTime, endTime } = spans.one('later');
    assert.equal(Math.abs(startTime[0] - (now + anHour) / 1000) < 60, true, `${startTime[0]}`);
    assert.equal(endTime[0] > startTime[0] || endTime[1] >= startTime[1], true);
  });

  test('is finer than a millisecond', async () => {
    await using spans = await memorySpans();
    for (let round = 0; round < 20; round++) withSpanSync('short', {}, () => {});
    const fractions = spans.named('short').map(({ startTime }) => startTime[1] % 1_000_000);
    assert.equal(
      fractions.some((nanoseconds) => nanoseconds !== 0),
      true,
    );
  });
});

describe('reportLater()', () => {
  test('tells of an error below a span that has ended, with its attributes, wherever it is told', async () => {
    await using spans = await memorySpans();
    const report = await withAttributes({ 'sandbox.id': 'a' }, () =>
      withSpan('begun', {}, async () => reportLater()),
    );
    let within: string | undefined;
    await withSpan('another', {}, async () =>
      report('failed', { key: 'value' }, new StatusError(Code.Unavailable, 'it is down'), () => {
        within = trace.getActiveSpan()?.spanContext().spanId;
      }),
    );
    const [begun, failed] = [spans.one('begun'), spans.one('failed')];
    assert.equal(failed.parentSpanContext?.spanId, begun.spanContext().spanId);
    assert.equal(within, failed.spanContext().spanId);
    assert.deepEqual(failed.status, { code: SpanStatusCode.ERROR, message: 'it is down' });
    const { 'sandbox.id': sandbox, key, 'error.type': type } = failed.attributes;
    assert.deepEqual([sandbox, key, type], ['a', 'value', 'Unavailable']);
  });
});
