import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { takeTurn } from '../../src/async/take-turn.ts';

/** Longer than all who pass in one turn may keep the loop, in milliseconds. */
const LONG_STEP_MS = 6;

/** Counts the turns of the event loop until disposal. */
function countTurns(): Disposable & { readonly turns: number } {
  let [turns, isCounting] = [0, true];
  const count = (): void => {
    turns++;
    if (isCounting) setImmediate(count);
  };
  setImmediate(count);
  return {
    get turns() {
      return turns;
    },
    [Symbol.dispose]: () => void (isCounting = false),
  };
}

/** Works in one stretch of the event loop. */
function work(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

/** Nobody's turn is taken any more. */
async function rest(): Promise<void> {
  await turn();
  await turn();
}

describe('takeTurn()', () => {
  test('lets one pass in each turn of the event loop whose steps are long, in the order in which they asked', async () => {
    await rest();
    using counter = countTurns();
    const passed: [who: number, turn: number][] = [];
    const asked = Array.from({ length: 10 }, async (_, who) => {
      await takeTurn();
      passed.push([who, counter.turns]);
      work(LONG_STEP_MS);
    });
    await Promise.all(asked);
    assert.deepEqual(
      passed.map(([who]) => who),
      asked.map((_, who) => who),
    );
    assert.equal(new Set(passed.map(([, at]) => at)).size, asked.length);
  });

  test('lets the next one pass when the step of the one before is done, with all that it settled', async () => {
    await rest();
    const steps: string[] = [];
    await Promise.all(
      Array.from({ length: 3 }, async (_, who) => {
        await takeTurn();
        steps.push(`${who} begins`);
        for (let step = 0; step < 5; step++) {
          // oxlint-disable-next-line no-await-in-loop -- a step is many promises
          await Promise.resolve();
        }
        steps.push(`${who} ends`);
      }),
    );
    assert.deepEqual(steps, ['0 begins', '0 ends', '1 begins', '1 ends', '2 begins', '2 ends']);
  });

  test("is nobody's more than once in a turn whose time is over, whichever callback asks", async () => {
    await rest();
    using counter = countTurns();
    const { promise: first, resolve } = Promise.withResolvers<number>();
    const { promise: second, resolve: resolveSecond } = Promise.withResolvers<number>();
    const pass = async (done: (turn: number) => void): Promise<void> => {
      await takeTurn();
      work(LONG_STEP_MS);
      done(counter.turns);
    };
    setImmediate(() => void pass(resolve));
    setImmediate(() => void pass(resolveSecond));
    assert.notEqual(await first, await second);
  });

  test('keeps nobody waiting for another turn whose steps are short', async (context) => {
    context.mock.method(performance, 'now', () => 0);
    await rest();
    let isTurned = false;
    setImmediate(() => void (isTurned = true));
    await takeTurn();
    await takeTurn();
    await Promise.all(Array.from({ length: 100 }, () => takeTurn()));
    assert.equal(isTurned, false);
  });
});
