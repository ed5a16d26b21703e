import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { observeTurns } from './turns.ts';

const STEP_MS = 30;

describe('observeTurns()', () => {
  test('tells the longest turn by its processor time, and waiting is none', async () => {
    const { result, turns } = await observeTurns(async () => {
      await delay(1);
      const { user } = process.threadCpuUsage();
      while (process.threadCpuUsage().user - user < STEP_MS * 1000);
      await delay(3 * STEP_MS);
      return 7;
    });
    assert.equal(result, 7);
    assert.ok(turns.longest >= STEP_MS, `${turns.longest}`);
    assert.ok(turns.longestGap >= STEP_MS, `${turns.longestGap}`);
    assert.ok(turns.longest < turns.total, `${turns.longest} of ${turns.total}`);
  });
});
