import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { mountsBeneath } from '../../src/proc/mountinfo.ts';
import { readStat } from '../../src/proc/stat.ts';
import { eventually } from './eventually.ts';
import { hungFileSystem } from './hung-file-system.ts';

describe('hungFileSystem()', () => {
  test('lets who touches it wait, unkillable, until its disposal, and leaves nothing', async () => {
    const hung = await hungFileSystem();
    const touch = execa('stat', [hung.path], { reject: false });
    await eventually('it is asked', () => hung.requests > 0);
    touch.kill('SIGKILL');
    await eventually('the signal is not heeded', () => readStat(touch.pid ?? 0)?.state === 'D');
    await hung[Symbol.asyncDispose]();
    assert.equal((await touch).failed, true);
    assert.deepEqual(
      mountsBeneath('/').filter((path) => path === hung.path),
      [],
    );
  });
});
