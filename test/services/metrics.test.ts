import assert from 'node:assert/strict';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { describe, test } from 'node:test';
import { MetricsSchema, type Metrics } from '../../src/proto/containerd/cgroup-metrics_pb.ts';
import { writeBundle } from '../harness/bundle.ts';
import { eventually } from '../harness/eventually.ts';
import { openFilesOf } from '../harness/open-files.ts';
import { serveTestHost } from '../harness/test-host.ts';

describe('createMeter()', () => {
  test("sums up a sandbox's daemons, and keeps their files open from poll to poll until they end", async () => {
    await using own = await serveTestHost();
    const { client } = own;
    const mounts = ['one', 'two'].map((destination) => ({ type: 'virtiofs', destination }));
    await client.createSandbox({ sandboxId: 'sb', bundlePath: await writeBundle(own.path, mounts) });
    await client.startSandbox({ sandboxId: 'sb' });
    const pids = own.host.sandboxes.get('default', 'sb').shares.map(({ pid }) => pid);
    const poll = async (): Promise<Metrics> => {
      const { metrics } = await client.sandboxMetrics({ sandboxId: 'sb' });
      const usage = metrics?.data && anyUnpack(metrics.data, MetricsSchema);
      assert.ok(usage);
      return usage;
    };
    const { pids: processes, memory } = await poll();
    assert.equal(processes?.current, 2n);
    assert.ok(memory && memory.usage > 0n && memory.usage === memory.anon + memory.file);

    const files = pids.flatMap(openFilesOf);
    assert.equal(files.length, 8);
    for (let round = 0; round < 5; round++) {
      // oxlint-disable-next-line no-await-in-loop -- as containerd polls
      await poll();
    }
    assert.deepEqual(pids.flatMap(openFilesOf), files);
    await client.stopSandbox({ sandboxId: 'sb' });
    assert.deepEqual(pids.flatMap(openFilesOf), []);
    assert.equal((await poll()).pids?.current, 0n);
    assert.deepEqual(pids.flatMap(openFilesOf), []);
  });
});

test('measures the daemon that has replaced another one, and closes the files of that one', async () => {
  await using own = await serveTestHost({ virtiofs: { virtio_fs_on_exit: 'respawn' } });
  const { client } = own;
  const mounts = [{ type: 'virtiofs', destination: 'one' }];
  await client.createSandbox({ sandboxId: 'sb', bundlePath: await writeBundle(own.path, mounts) });
  await client.startSandbox({ sandboxId: 'sb' });
  const [share] = own.host.sandboxes.get('default', 'sb').shares;
  const former = share?.pid ?? 0;
  const poll = async (): Promise<bigint | undefined> => {
    const { metrics } = await client.sandboxMetrics({ sandboxId: 'sb' });
    return metrics?.data && anyUnpack(metrics.data, MetricsSchema)?.pids?.current;
  };
  assert.equal(await poll(), 1n);
  process.kill(former, 'SIGKILL');
  await eventually('another one is there', () => share?.pid !== former);
  await share?.ready;
  assert.equal(await poll(), 1n);
  assert.deepEqual(openFilesOf(former), []);
});
