import assert from 'node:assert/strict';
import { test } from 'node:test';
import { median, percentile, ratio, summarize } from './statistics.ts';

const oneToTwenty = Array.from({ length: 20 }, (_, index) => 20 - index);

test('median() is the value in the middle, whatever the order', () => {
  assert.equal(median([30, 1, 2]), 2);
  assert.equal(median([7]), 7);
});

test('median() is the mean of the two in the middle of an even number', () => {
  assert.equal(median([4, 1, 2, 100]), 3);
});

test('median() compares numbers, not texts, and leaves its argument as it is', () => {
  const values = [10, 9, 100];
  assert.equal(median(values), 10);
  assert.deepEqual(values, [10, 9, 100]);
});

test('percentile() is the nearest rank: one of the values', () => {
  assert.equal(percentile(oneToTwenty, 0.95), 19);
  assert.equal(percentile([1, 2, 3], 0.95), 3);
  assert.equal(percentile([5, 6], 0), 5);
  assert.equal(percentile([5, 6], 1), 6);
});

test('summarize() gives number, median and 95th percentile', () => {
  assert.deepEqual(summarize(oneToTwenty), { n: 20, median: 10.5, p95: 19 });
});

test('summarize() refuses no measurements', () => {
  assert.throws(() => summarize([]), { name: 'RangeError', message: 'Cannot summarize no measurements' });
});

test('ratio() compares medians, so that one late measurement does not count', () => {
  assert.equal(ratio([2, 3, 900], [1, 2, 3]), 1.5);
});
