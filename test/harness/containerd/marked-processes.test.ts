import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hostsAmong } from './marked-processes.ts';

test('hostsAmong() leaves out what a host has forked and still looks like it', () => {
  const argv = ['node', 'main.ts', 'serve'];
  const processes = [
    { pid: 10, parentPid: 1, argv },
    { pid: 11, parentPid: 10, argv },
    { pid: 12, parentPid: 10, argv: ['sh'] },
    { pid: 20, parentPid: 1, argv },
  ];
  assert.deepEqual(hostsAmong(processes), [10, 20]);
});
