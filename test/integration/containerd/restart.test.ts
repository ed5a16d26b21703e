import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { containerdVersions } from '../../harness/containerd/containerd-binaries.ts';
import { connectGrpc } from '../../harness/containerd/grpc.ts';
import { hostNetworkPod } from '../../harness/containerd/pods.ts';
import { PodSandboxState, RuntimeService } from '../../harness/containerd/proto/cri_pb.ts';
import { Controller } from '../../../src/proto/containerd/sandbox-controller_pb.ts';
import { Store } from '../../harness/containerd/proto/sandbox-store_pb.ts';
import { createSandbox } from '../../harness/containerd/sandboxes.ts';
import { specOf, startShimContainerd } from '../../harness/containerd/shim-containerd.ts';
import { eventually } from '../../harness/eventually.ts';

// containerd dies by SIGKILL while sandboxes live, and comes back. Needs root.

for (const version of containerdVersions) {
  describe(`after a crash of containerd ${version}`, () => {
    test('sandboxes are there with the same daemons, can be asked, and can be removed', async () => {
      await using containerd = await startShimContainerd({ version });
      const [one, two] = [await containerd.source('one'), await containerd.source('two')];
      for (const [id, sources] of Object.entries({ sb1: { one, two }, sb2: { two } }))
        // oxlint-disable-next-line no-await-in-loop -- two
        assert.equal((await containerd.run(id, sources)).code, 0);
      const [records, hosts] = [await containerd.records(), await containerd.hosts()];
      await containerd.kill('SIGKILL');
      await containerd.restart();

      assert.deepEqual(await containerd.records(), records);
      assert.deepEqual(await containerd.hosts(), hosts);
      using grpc = connectGrpc(containerd.address);
      for (const sandboxId of ['sb1', 'sb2']) {
        const sandbox = { sandboxId, sandboxer: 'shim' };
        // oxlint-disable no-await-in-loop -- two
        const { state, pid } = await grpc.unary(Controller.method.status, sandbox);
        assert.equal(state, 'SANDBOX_READY');
        assert.ok(records.some((record) => record.pid === pid));
        const waiting = grpc.unary(Controller.method.wait, sandbox);
        assert.equal((await containerd.ctr(['sandboxes', 'rm', sandboxId])).code, 0);
        assert.equal((await waiting).exitStatus, 0);
        // oxlint-enable no-await-in-loop
      }
      assert.deepEqual(await containerd.leftovers(), []);
    });

    test('a sandbox can be made, and one that containerd no longer knows is gone', async () => {
      const env = { CONTAINERD_SHIM_VIRTIOFS_IDLE_TIMEOUT_MS: '5000' };
      await using containerd = await startShimContainerd({ version, env });
      const source = await containerd.source('work');
      using grpc = connectGrpc(containerd.address);
      // Whether it has shares or not, and whether they are still open.
      const specs = {
        'with-share': specOf({ work: source }),
        'no-share': {},
        stopped: specOf({ work: source }),
      };
      for (const [id, spec] of Object.entries(specs)) {
        // oxlint-disable no-await-in-loop -- three
        await createSandbox(grpc, { id, spec });
        if (id === 'stopped') await grpc.unary(Controller.method.stop, { sandboxId: id, sandboxer: 'shim' });
        await grpc.unary(Store.method.delete, { sandboxId: id });
        // oxlint-enable no-await-in-loop
      }
      await containerd.kill('SIGKILL');
      await containerd.restart();
      await eventually('nothing is left', async () => (await containerd.leftovers()).length === 0);
      await eventually('its host ends', async () => (await containerd.hosts()).length === 0);
      assert.equal((await containerd.run('sb', { work: source })).code, 0);
      assert.equal((await containerd.ctr(['sandboxes', 'rm', 'sb'])).code, 0);
    });
  });
}

test('a pod is ready after a crash of containerd, and its end is noticed', async () => {
  const config = '[[shares]]\ntag = "work"\n';
  await using containerd = await startShimContainerd({
    version: '2.4.2',
    config,
    runtimes: { virtiofs: {} },
  });
  const request = { config: hostNetworkPod({ name: 'pod' }), runtimeHandler: 'virtiofs' };
  const cri = RuntimeService.method;
  using before = connectGrpc(containerd.address);
  const { podSandboxId } = await before.unary(cri.runPodSandbox, request);
  const [record] = await containerd.records();
  await containerd.kill('SIGKILL');
  await containerd.restart();
  using grpc = connectGrpc(containerd.address);
  const stateOf = async (): Promise<PodSandboxState | undefined> =>
    (await grpc.unary(cri.podSandboxStatus, { podSandboxId })).status?.state;
  assert.equal(await stateOf(), PodSandboxState.SANDBOX_READY);
  process.kill(record?.pid ?? 0, 'SIGKILL');
  await eventually(
    'containerd sees its end',
    async () => (await stateOf()) === PodSandboxState.SANDBOX_NOTREADY,
  );
  await grpc.unary(cri.stopPodSandbox, { podSandboxId });
  await grpc.unary(cri.removePodSandbox, { podSandboxId });
  assert.deepEqual(await containerd.leftovers(), []);
});
