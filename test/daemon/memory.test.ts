import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
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
    assert.deepEqual([exit.cause, exit.signal], ['out-of-memory', 'SIGKILL']);
    assert.equal(countMemoryKills() > before, true);
    const why = 'memory was short, and the kernel killed it: raise the memory limit or move load away';
    assert.equal(exit.message, `virtiofsd was killed by SIGKILL: ${why}`);
    assert.equal(place.captured.withMessage(exit.message)[0]?.level, 'error');
  });

  test('is not said of one that somebody killed while another was short of memory', async (context) => {
    using cgroup = memoryCgroup(LIMIT_BYTES);
    if (!cgroup) return context.skip('No memory cgroup can be made here');
    if (!existsSync('/dev/kmsg')) return context.skip("The kernel's log cannot be read here");
    await using place = await daemonPlace();
    const outputPath = join(place.path, 'other.log');
    const socketPath = join(place.path, 'other.sock');
    const daemon = await place.start(fixture('waits'), { outputPath, socketPath });
    await daemon.ready;
    await (
      await place.start(fixture('eats-memory'), { args: [cgroup.path] })
    ).exited;
    process.kill(daemon.identity.pid, 'SIGKILL');
    const { cause, message } = await daemon.exited;
    assert.deepEqual([cause, message], ['crashed', 'virtiofsd was killed by SIGKILL']);
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
