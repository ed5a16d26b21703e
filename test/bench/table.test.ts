import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTable } from './table.ts';

test('formatTable() aligns names left and numbers right, and leaves out what a row has not', () => {
  const lines = formatTable([
    { name: 'C program', n: 100, median: 3.456, p95: 12.34, unit: 'ms' },
    { name: 'host', n: 9, median: 123.4, p95: 200, unit: 'ms', peer: 'C program', ratio: 1.349 },
    { name: 'descriptors', n: 1, median: 25, p95: 25, unit: 'count' },
  ]);
  assert.deepEqual(lines, [
    '               n  median   p95  unit  ratio  to',
    'C program    100    3.46  12.3  ms',
    'host           9     123   200  ms     1.35  C program',
    'descriptors    1      25    25',
  ]);
});
