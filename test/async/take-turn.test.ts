import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { takeTurn } from '../../src/async/take-turn.ts';

describe('takeTurn()', () => {
  test('lets one pass in each turn of the event loop, in the order in which they asked', async () => {
    let turns = 0;
    let isCounting = true;
    const count = (): void => {
      turns++;
      if (isCounting) setImmediate(count);
    };
    setImmediate(count);
    const passed: [who: number, turn: number][] = [];
    const asked = Array.from({ length: 20 }, async (_, who) => {
      await takeTurn();
      passed.push([who, turns]);
    });
    await Promise.all(asked);
    isCounting = false;
    assert.deepEqual(
      passed.map(([who]) => who),
      asked.map((_, who) => who),
    );
    assert.equal(new Set(passed.map(([, at]) => at)).size, asked.length);
  });

  test('keeps nobody waiting who asks alone', async () => {
    await turn();
    await turn();
    let isTurned = false;
    setImmediate(() => void (isTurned = true));
    await takeTurn();
    assert.equal(isTurned, false);
  });
});
