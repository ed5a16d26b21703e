import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { bootId, identify, isAlive } from '../../src/proc/stat.ts';
import { executable } from '../harness/fixtures.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

describe('identify()', () => {
  test('tells the start time of a process whatever its name holds', async () => {
    await using directory = await temporaryDirectory();
    const program = await executable(`${directory.path}/) S 1 (`, '#!/bin/sh\nread line\n');
    const child = spawn(program, { stdio: ['pipe', 'ignore', 'ignore'] });
    const identity = identify(child.pid as number);
    assert.equal(identity?.pid, child.pid);
    assert.equal(
      Math.abs((identity?.startTime ?? 0) - (identify(process.pid)?.startTime ?? 0)) < 100_000,
      true,
    );
    assert.equal(isAlive(identity as { pid: number; startTime: number }), true);
    child.stdin.end();
    await once(child, 'exit');
    assert.equal(identify(child.pid as number), undefined);
  });

  test('tells a process from another one that has its pid', () => {
    const self = identify(process.pid);
    assert.equal(isAlive({ pid: process.pid, startTime: (self?.startTime ?? 0) + 1 }), false);
  });
});

test('bootId() is the one of this boot', () => {
  assert.match(bootId(), /^[0-9a-f]{8}-[0-9a-f-]{27}$/);
  assert.equal(bootId(), bootId());
});
