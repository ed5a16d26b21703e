import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unacceptedSkips } from './report-skips.ts';

test('unacceptedSkips() returns the skips whose reason is not on the list', () => {
  const skips = [
    { name: 'a', reason: 'No C virtiofsd: only Debian 12 has QEMU 7.2, the last with one' },
    { name: 'b', reason: 'no reason given' },
  ];
  assert.deepEqual(unacceptedSkips(skips.map((skip) => `${JSON.stringify(skip)}\n`).join('')), [skips[1]]);
});
