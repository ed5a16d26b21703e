import assert from 'node:assert/strict';
import test from 'node:test';
import { StallTimer } from '../../src/ttrpc-ts/src/stall-timer.ts';
import { turns, until } from './fixtures/turns.ts';

test('StallTimer takes no time for passed in which the event loop did not turn', async () => {
  let fired = 0;
  const timer = new StallTimer(40, () => void fired++);
  timer.start();
  for (const end = performance.now() + 100; performance.now() < end;);
  await turns(1);
  assert.equal(fired, 0);
  await until(() => fired > 0);
  assert.ok(!timer.running);
});

test('StallTimer.stop() and start() begin anew', async () => {
  let fired = 0;
  const timer = new StallTimer(4, () => void fired++);
  timer.start();
  timer.start();
  timer.stop();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(fired, 0);
});

test('StallTimer waits for a time that is longer than a timer of Node.js may have', async () => {
  let fired = 0;
  const timer = new StallTimer(Number.MAX_SAFE_INTEGER, () => void fired++);
  timer.start();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(fired, 0);
  timer.stop();
});
