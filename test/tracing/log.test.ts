import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { pino } from 'pino';
import { createLogger, followLog } from '../../src/tracing/log.ts';
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

describe('followLog()', () => {
  test('tells the lines of a log and its children, as they are written, until disposal', () => {
    const written: string[] = [];
    const followed: string[] = [];
    const log = createLogger('info', { write: (text) => void written.push(text) });
    {
      using _ = followLog(log, (line) => void followed.push(line));
      log.child({ sandbox: 'sb' }).info('one');
      log.debug('below the level');
    }
    log.info('two');
    assert.deepEqual(followed, written.slice(0, 1));
    assert.equal(written.length, 2);
  });

  test('lets a log go on whose follower fails', () => {
    const written: string[] = [];
    const log = createLogger('info', { write: (text) => void written.push(text) });
    using _ = followLog(log, () => {
      throw new Error('no');
    });
    log.info('one');
    assert.equal(written.length, 1);
  });

  test('follows no logger that was made elsewhere', () => {
    const log = pino({}, { write: () => {} });
    using _ = followLog(log, () => assert.fail());
    log.info('one');
  });
});
