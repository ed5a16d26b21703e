import assert from 'node:assert/strict';
import { test } from 'node:test';
import { measureInTurn, toRows } from './rows.ts';

const { signal } = new AbortController();

test('measureInTurn() measures in turn, another one first in each round, and drops the warm-up', async () => {
  const order: string[] = [];
  const measure = (name: string) => () => {
    order.push(name);
    return Promise.resolve({ [name]: order.length });
  };
  const samples = await measureInTurn({ a: measure('a'), b: measure('b') }, { rounds: 2, warmUp: 1, signal });
  assert.equal(order.join(''), 'abbaab');
  assert.deepEqual(Object.entries(samples), [
    ['a', [4, 5]],
    ['b', [3, 6]],
  ]);
});

test('measureInTurn() ends with the reason of the signal', async () => {
  const options = { rounds: 1, warmUp: 0, signal: AbortSignal.abort(new Error('enough')) };
  await assert.rejects(measureInTurn({ a: () => Promise.resolve({ a: 1 }) }, options), { message: 'enough' });
});

test('toRows() compares a row with its peer', () => {
  const rows = toRows({ ours: [3, 3], theirs: [2, 2] }, { peers: { ours: 'theirs' } });
  assert.deepEqual(rows, [
    { name: 'ours', unit: 'ms', n: 2, median: 3, p95: 3, peer: 'theirs', ratio: 1.5 },
    { name: 'theirs', unit: 'ms', n: 2, median: 2, p95: 2 },
  ]);
});
