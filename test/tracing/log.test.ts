import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createLogger } from '../../src/tracing/log.ts';
import { withSpan } from '../../src/tracing/span.ts';
import { captureLog, type LogLine } from '../harness/captured-log.ts';
import { memorySpans } from '../harness/memory-spans.ts';

describe('createLogger()', () => {
  test('writes lines with the ids of the active span, and none outside of one', async () => {
    await using spans = await memorySpans();
    const { log, lines } = captureLog();
    log.info('outside');
    await withSpan('work', {}, async () => {
      await Promise.resolve();
      log.warn({ pid: 5 }, 'inside');
    });
    const { traceId, spanId } = spans.one('work').spanContext();
    const [outside, inside] = lines;
    assert.deepEqual(Object.keys(outside ?? {}).toSorted(), ['level', 'msg', 'time']);
    const { time, ...rest } = inside as LogLine;
    assert.equal(new Date(String(time)).toISOString(), time);
    assert.deepEqual(rest, {
      level: 'warn',
      pid: 5,
      trace_id: traceId,
      span_id: spanId,
      trace_flags: '01',
      msg: 'inside',
    });
  });

  test('leaves out what is below its level', () => {
    const texts: string[] = [];
    const log = createLogger('warn', { write: (text) => void texts.push(text) });
    log.info('no');
    log.warn('yes');
    assert.equal(texts.length, 1);
  });
});
