import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { countMemoryKills } from '../../src/proc/memory-kills.ts';
import { eventually } from '../harness/eventually.ts';
import { fixture } from '../harness/fixtures.ts';
import { memoryCgroup } from '../harness/memory-cgroup.ts';
import { daemonPlace } from '../harness/test-daemon.ts';

const LIMIT_BYTES = 16 << 20;

// This makes a cgroup, and so needs root.
describe('a daemon that the kernel kills for want of memory', () => {
  test('is said to have been short of memory, in the log and in its exit', async (context) => {
    using cgroup = memoryCgroup(LIMIT_BYTES);
    if (!cgroup) return context.skip('No memory cgroup can be made here');
    await using place = await daemonPlace();
    const before = countMemoryKills();
    const daemon = await place.start(fixture('eats-memory'), { args: [cgroup.path] });
    const exit = await daemon.exited;
    assert.deepEqual([exit.reason, exit.signal], ['failed', 'SIGKILL']);
    assert.equal((exit.memoryKills ?? 0) >= 1 && countMemoryKills() > before, true);
    const text =
      'virtiofsd was killed by SIGKILL; memory was short: the kernel has killed processes for want of it meanwhile';
    assert.equal(place.captured.withMessage(text)[0]?.level, 'error');
  });

  test('is not said of one that somebody killed', async () => {
    await using place = await daemonPlace();
    const daemon = await place.start(fixture('waits'));
    await daemon.ready;
    process.kill(daemon.identity.pid, 'SIGKILL');
    await daemon.exited;
    await eventually(
      'its end is logged',
      () => place.captured.withMessage('virtiofsd was killed by SIGKILL').length === 1,
    );
  });
});
