import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { openLifeSign } from '../../src/proc/life-sign.ts';
import { identify, readStat, type ProcessIdentity } from '../../src/proc/stat.ts';
import { eventually } from '../harness/eventually.ts';
import { openFilesOf } from '../harness/open-files.ts';

const identityOf = (pid: number | undefined): ProcessIdentity =>
  identify(pid ?? 0) ?? assert.fail('no such process');
const nameOf = (pid: number | undefined): string => readFileSync(`/proc/${pid}/comm`, 'utf8').trim();

describe('openLifeSign()', () => {
  test('tells that a process runs until it is gone, and keeps one file open until its disposal', async () => {
    const child = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore'] });
    const identity = identityOf(child.pid);
    {
      using sign = openLifeSign(identity);
      assert.deepEqual(openFilesOf(identity.pid), [`/proc/${identity.pid}/statm`]);
      assert.equal(sign.isAlive(), true);
      child.stdin.end();
      await once(child, 'exit');
      assert.equal(sign.isAlive(), false);
    }
    assert.deepEqual(openFilesOf(identity.pid), []);
  });

  test('takes a zombie for gone', async () => {
    // The shell becomes a program that asks for no child.
    const script = 'sleep 600 >/dev/null & echo $!; exec sleep 601';
    const parent = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] });
    try {
      const [text] = (await once(parent.stdout, 'data')) as [Buffer];
      const identity = identityOf(Number(text.toString()));
      await eventually('the shell is gone', () => nameOf(parent.pid) === 'sleep');
      using sign = openLifeSign(identity);
      assert.equal(sign.isAlive(), true);
      process.kill(identity.pid, 'SIGKILL');
      await eventually('it is a zombie', () => readStat(identity.pid)?.state === 'Z');
      assert.equal(sign.isAlive(), false);
    } finally {
      parent.kill('SIGKILL');
      await once(parent, 'exit');
    }
  });

  test('never takes another process for one that had its pid', () => {
    const { pid, startTime } = identityOf(process.pid);
    using sign = openLifeSign({ pid, startTime: startTime + 1 });
    assert.equal(sign.isAlive(), false);
    assert.deepEqual(openFilesOf(pid), []);
  });
});
