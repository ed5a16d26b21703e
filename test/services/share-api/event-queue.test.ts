import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { createShareEvents } from '../../../src/host/events.ts';
import { MAX_EVENTS, openEventQueue } from '../../../src/services/share-api/event-queue.ts';
import { captureLog } from '../../harness/captured-log.ts';
import { snapshot } from './snapshot.ts';

const signal = new AbortController().signal;

describe('openEventQueue()', () => {
  test('keeps nothing behind a gap, however much is read meanwhile, and counts what is lost', async () => {
    const { events, tell } = createShareEvents(captureLog());
    using queue = openEventQueue(events, () => true);
    for (let index = 0; index <= MAX_EVENTS; index++) tell('opened', () => snapshot(`t${index}`));
    assert.equal((await queue.next(signal)).share.tag, 't0');
    tell('opened', () => snapshot('behind the gap'));
    for (let index = 1; index < MAX_EVENTS; index++)
      // oxlint-disable-next-line no-await-in-loop -- in order
      assert.equal((await queue.next(signal)).share.tag, `t${index}`);
    await assert.rejects(queue.next(signal), { code: Code.ResourceExhausted, message: /: 2 of the events/ });
  });

  test('keeps only what is wanted, and nothing after disposal', async () => {
    const { events, tell } = createShareEvents(captureLog());
    using queue = openEventQueue(events, ({ tag }) => tag !== 'other');
    const next = queue.next(signal);
    for (const tag of ['other', 'one', 'two']) tell('opened', () => snapshot(tag));
    assert.equal((await next).share.tag, 'one');
    assert.equal((await queue.next(signal)).share.tag, 'two');
    queue[Symbol.dispose]();
    tell('opened', () => assert.fail('nobody listens'));
  });

  test("rejects with the signal's reason while it waits", async () => {
    using queue = openEventQueue(createShareEvents(captureLog()).events, () => true);
    const controller = new AbortController();
    const waiting = assert.rejects(queue.next(controller.signal), { message: 'given up' });
    controller.abort(new Error('given up'));
    await waiting;
  });
});
