import assert from 'node:assert/strict';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { describe, test } from 'node:test';

import { MetricsSchema } from '../../../src/proto/containerd/cgroup-metrics_pb.ts';
import { containerdVersions } from '../../harness/containerd/containerd-binaries.ts';
import { connectGrpc } from '../../harness/containerd/grpc.ts';
import { Controller } from '../../../src/proto/containerd/sandbox-controller_pb.ts';
import { createSandbox, removeSandbox } from '../../harness/containerd/sandboxes.ts';
import { specOf, startShimContainerd } from '../../harness/containerd/shim-containerd.ts';
import { isGone } from '../../harness/leftovers.ts';

// The Sandbox service as containerd's clients see it, through containerd's gRPC Controller. Needs root.

const sandbox = (sandboxId: string): { sandboxId: string; sandboxer: string } => ({
  sandboxId,
  sandboxer: 'shim',
});

for (const version of containerdVersions) {
  describe(`Controller of containerd ${version} through the shim`, () => {
    test('Start answers the pid of the daemon, Status what an operator wants', async () => {
      await using containerd = await startShimContainerd({ version });
      using grpc = connectGrpc(containerd.address);
      const source = await containerd.source('work');
      await createSandbox(grpc, { id: 'sb', spec: specOf({ work: source }) });
      const { pid, createdAt } = await grpc.unary(Controller.method.start, sandbox('sb'));
      const [record] = await containerd.records();
      assert.equal(pid, record?.pid);

      const short = await grpc.unary(Controller.method.status, sandbox('sb'));
      assert.equal(short.state, 'SANDBOX_READY');
      assert.equal(short.pid, pid);
      assert.deepEqual(short.createdAt, createdAt);
      assert.equal(short.exitedAt?.seconds ?? 0n, 0n);
      assert.deepEqual(short.info, {});

      const { info } = await grpc.unary(Controller.method.status, { ...sandbox('sb'), verbose: true });
      const share = JSON.parse(info['share.work'] ?? '{}') as Record<string, unknown>;
      const expected = {
        tag: 'work',
        state: 'waiting',
        pid,
        socketPath: record?.socketPath,
        sharedDir: source,
      };
      assert.deepEqual(share, { ...share, ...expected });
      assert.ok((JSON.parse(info['vmm.qemu'] ?? '[]') as string[]).includes('-chardev'));
      const [host] = await containerd.hosts();
      assert.equal((JSON.parse(info['host'] ?? '{}') as { pid: number }).pid, host);
      await removeSandbox(grpc, 'sb');
    });

    test('Metrics answers what the daemons use, as containerd knows it of cgroups', async () => {
      await using containerd = await startShimContainerd({ version });
      using grpc = connectGrpc(containerd.address);
      const sources = { one: await containerd.source('one'), two: await containerd.source('two') };
      await createSandbox(grpc, { id: 'sb', spec: specOf(sources) });
      await grpc.unary(Controller.method.start, sandbox('sb'));
      const { metrics } = await grpc.unary(Controller.method.metrics, sandbox('sb'));
      assert.equal(metrics?.id, 'sb');
      const usage = metrics.data && anyUnpack(metrics.data, MetricsSchema);
      assert.ok(usage?.pids && usage.pids.current >= 2n, `${usage?.pids?.current} processes`);
      assert.ok(usage.memory && usage.memory.usage > 1n << 20n, `${usage.memory?.usage} bytes`);
      await removeSandbox(grpc, 'sb');
    });

    test('Wait answers when the sandbox is stopped; Stop and Shutdown may come again', async () => {
      await using containerd = await startShimContainerd({ version });
      using grpc = connectGrpc(containerd.address);
      await createSandbox(grpc, { id: 'sb', spec: specOf({ work: await containerd.source('work') }) });
      const { pid } = await grpc.unary(Controller.method.start, sandbox('sb'));
      const waits = [1, 2].map(() => grpc.unary(Controller.method.wait, sandbox('sb')));
      await grpc.unary(Controller.method.stop, sandbox('sb'));
      for (const { exitStatus, exitedAt } of await Promise.all(waits)) {
        assert.equal(exitStatus, 0);
        assert.ok(exitedAt);
      }
      assert.ok(isGone(pid));
      assert.equal((await grpc.unary(Controller.method.status, sandbox('sb'))).state, 'SANDBOX_NOTREADY');
      await grpc.unary(Controller.method.stop, sandbox('sb'));
      assert.equal((await grpc.unary(Controller.method.wait, sandbox('sb'))).exitStatus, 0);
      await removeSandbox(grpc, 'sb');
      // containerd itself answers what it no longer knows; in either case nothing breaks.
      await grpc.unary(Controller.method.shutdown, sandbox('sb')).catch((error: { code: number }) => {
        assert.equal(error.code, 5);
      });
    });

    test('Wait answers 137 when a daemon is killed, and Status says which', async () => {
      await using containerd = await startShimContainerd({ version });
      using grpc = connectGrpc(containerd.address);
      const sources = { one: await containerd.source('one'), two: await containerd.source('two') };
      await createSandbox(grpc, { id: 'sb', spec: specOf(sources) });
      await grpc.unary(Controller.method.start, sandbox('sb'));
      const waiting = grpc.unary(Controller.method.wait, sandbox('sb'));
      const killed = (await containerd.records()).find(({ tag }) => tag === 'two');
      process.kill(killed?.pid ?? 0, 'SIGKILL');
      assert.equal((await waiting).exitStatus, 137);

      const { state, info, exitedAt } = await grpc.unary(Controller.method.status, {
        ...sandbox('sb'),
        verbose: true,
      });
      assert.equal(state, 'SANDBOX_NOTREADY');
      assert.ok(exitedAt);
      const exit = JSON.parse(info['exit'] ?? '{}') as { failed?: { tag: string; exit: { signal: string } } };
      assert.deepEqual([exit.failed?.tag, exit.failed?.exit.signal], ['two', 'SIGKILL']);
      await removeSandbox(grpc, 'sb');
      assert.deepEqual(await containerd.leftovers(), []);
    });

    test('a sandbox without shares is one, too', async () => {
      await using containerd = await startShimContainerd({ version });
      using grpc = connectGrpc(containerd.address);
      await createSandbox(grpc, { id: 'sb', spec: {} });
      const { pid } = await grpc.unary(Controller.method.start, sandbox('sb'));
      assert.deepEqual([pid], await containerd.hosts());
      assert.equal((await grpc.unary(Controller.method.status, sandbox('sb'))).state, 'SANDBOX_READY');
      await grpc.unary(Controller.method.metrics, sandbox('sb'));
      await removeSandbox(grpc, 'sb');
    });
  });
}
