import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { identify, isAlive, type ProcessIdentity } from '../../src/proc/stat.ts';
import { terminate } from '../../src/daemon/terminate.ts';
import { captureLog } from '../harness/captured-log.ts';

describe('terminate()', () => {
  test('warns, and is no error, where no process has that pid', async () => {
    const { log, lines } = captureLog();
    const child = spawn('true');
    const { pid } = child;
    await once(child, 'exit');
    await terminate(
      { pid: pid as number, startTime: 1 },
      { timeoutMs: 1, exited: new Promise(() => {}), log },
    );
    assert.deepEqual(
      lines.map(({ level, msg }) => [level, msg]),
      [['warn', 'Cannot signal the daemon: no such process']],
    );
  });

  test('touches nothing when another process has the pid by now', async () => {
    const { log, withMessage } = captureLog();
    const child = spawn('sleep', ['600'], { detached: true });
    try {
      const identity = identify(child.pid as number) as ProcessIdentity;
      const earlier = { ...identity, startTime: identity.startTime - 1 };
      await terminate(earlier, { timeoutMs: 1, exited: new Promise(() => {}), log });
      assert.equal(isAlive(identity), true);
      assert.equal(withMessage('Cannot signal the daemon: no such process').length, 1);
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  });

  test('never signals pid 0, 1 or a negative one, which are many processes', async () => {
    const { log, lines } = captureLog();
    for (const pid of [1, 0, -1]) {
      const startTime = identify(pid)?.startTime ?? 0;
      await terminate({ pid, startTime }, { timeoutMs: 1, exited: Promise.resolve(), log });
    }
    assert.equal(lines.length, 3);
  });
});
