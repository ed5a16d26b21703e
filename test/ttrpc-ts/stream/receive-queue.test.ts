import assert from 'node:assert/strict';
import test from 'node:test';
import { completeLimits } from '../../../src/ttrpc-ts/src/limits.ts';
import { ReceiveQueue } from '../../../src/ttrpc-ts/src/stream/receive-queue.ts';

interface Watched {
  readonly queue: ReceiveQueue<number>;
  readonly trail: string[];
}

function watchQueue(): Watched {
  const trail: string[] = [];
  const owner = {
    decode: (payload: Uint8Array) => payload.length,
    onFull: () => void trail.push('full'),
    onRoom: () => void trail.push('room'),
    onStall: () => void trail.push('stall'),
    onReturn: () => void trail.push('return'),
  };
  return { trail, queue: new ReceiveQueue(owner, completeLimits({ streamBufferBytes: 10 })) };
}

test('ReceiveQueue stalls when nothing was taken for a second, and has its connection wait no longer', async (t) => {
  const pass = (ms: number): void => {
    for (let count = 0; count < ms; count++) t.mock.timers.tick(1);
  };
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { queue, trail } = watchQueue();
  for (const length of [1, 1, 100]) queue.push(new Uint8Array(length));
  assert.deepEqual(trail, ['full']);
  await queue.next();
  pass(999);
  assert.deepEqual(trail, ['full']);
  pass(1);
  assert.deepEqual(trail, ['full', 'room'], 'its consumer is slow, and is given more room');
  queue.push(new Uint8Array(100));
  pass(999);
  assert.deepEqual(trail, ['full', 'room', 'full']);
  pass(1);
  assert.deepEqual(trail, ['full', 'room', 'full', 'stall']);
  queue.abort(undefined);
});

test('ReceiveQueue never stalls for a consumer that is slow, which gets 16 times the limit and then is waited for', async (t) => {
  const pass = (ms: number): void => {
    for (let count = 0; count < ms; count++) t.mock.timers.tick(1);
  };
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { queue, trail } = watchQueue();
  for (let second = 0; second < 100; second++) {
    // What one read brings.
    if (trail.at(-1) !== 'full') for (let count = 0; count < 4; count++) queue.push(new Uint8Array(5));
    await queue.next();
    pass(1000);
  }
  assert.ok(!trail.includes('stall'));
  let held = 0;
  queue.end();
  for await (const length of queue) held += length;
  assert.ok(held > 140 && held <= 16 * 10 + 20, `${held} bytes were held`);
});

test('ReceiveQueue.end() and abort() let the connection go on', () => {
  for (const end of ['end', 'abort'] as const) {
    const { queue, trail } = watchQueue();
    for (const length of [6, 6]) queue.push(new Uint8Array(length));
    queue[end](undefined);
    assert.deepEqual(trail, ['full', 'room']);
  }
});

test('ReceiveQueue tells once that there is room again', async () => {
  const { queue, trail } = watchQueue();
  for (const length of [6, 5]) queue.push(new Uint8Array(length));
  assert.deepEqual(await queue.next(), { done: false, value: 6 });
  assert.deepEqual(await queue.next(), { done: false, value: 5 });
  assert.deepEqual(trail, ['full', 'room']);
});

test('ReceiveQueue.end() lets what arrived be taken before its error, which comes once', async () => {
  const { queue } = watchQueue();
  queue.push(new Uint8Array(1));
  queue.end(new Error('lost'));
  queue.push(new Uint8Array(2));
  assert.deepEqual(await queue.next(), { done: false, value: 1 });
  await assert.rejects(queue.next(), { message: 'lost' });
  assert.deepEqual(await queue.next(), { done: true, value: undefined });
});

test('ReceiveQueue.next() may be called ahead, any number of times', async () => {
  const { queue } = watchQueue();
  const taken = [queue.next(), queue.next(), queue.next()];
  queue.push(new Uint8Array(1));
  queue.push(new Uint8Array(2));
  queue.end();
  assert.deepEqual(
    (await Promise.all(taken)).map(({ value }) => value),
    [1, 2, undefined],
  );
});

test('ReceiveQueue.return() drops what it holds and tells its stream once', async () => {
  const { queue, trail } = watchQueue();
  queue.push(new Uint8Array(1));
  await queue.return();
  await queue.return();
  assert.deepEqual(await queue.next(), { done: true, value: undefined });
  assert.deepEqual(trail, ['return']);
});
