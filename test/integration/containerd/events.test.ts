import assert from 'node:assert/strict';
import { appendFile, mkdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { connect, createClient, type Client } from 'ttrpc-ts';

import { Shares } from '../../../src/proto/share/shares_pb.ts';
import { containerdVersions } from '../../harness/containerd/containerd-binaries.ts';
import { watchCtrEvents } from '../../harness/containerd/ctr-events.ts';
import { connectGrpc } from '../../harness/containerd/grpc.ts';
import { hostNetworkPod } from '../../harness/containerd/pods.ts';
import { RuntimeService } from '../../harness/containerd/proto/cri_pb.ts';
import { Controller } from '../../../src/proto/containerd/sandbox-controller_pb.ts';
import { startShimContainerd, type ShimContainerd } from '../../harness/containerd/shim-containerd.ts';
import { eventually } from '../../harness/eventually.ts';
import { startServe } from '../../harness/serve-process.ts';
import { obtain } from '../../setup/obtain.ts';

// What `ctr events` of a real containerd shows. Needs root.

const SANDBOX = ['/sandboxes/create', '/sandboxes/start', '/sandboxes/exit'];
const SHARE = ['/shares/open', '/shares/ready', '/shares/exit', '/shares/close'];

/** The share service of the shim's host. */
async function connectShares({ state }: ShimContainerd): Promise<Client<typeof Shares> & AsyncDisposable> {
  const transport = await connect({ path: join(state, 'host.sock') });
  return Object.assign(createClient(Shares, transport), {
    [Symbol.asyncDispose]: () => transport.close(),
  });
}

for (const version of containerdVersions) {
  describe(`ctr events with containerd ${version}`, () => {
    test('shows the life of a sandbox and its share, and nothing twice', async () => {
      await using containerd = await startShimContainerd({ version });
      await using ctr = await watchCtrEvents(containerd);
      const source = await containerd.source('work');
      assert.equal((await containerd.run('sb1', { work: source })).code, 0);
      assert.equal((await containerd.ctr(['sandboxes', 'rm', 'sb1'])).code, 0);
      await ctr.until('/shares/close', 'sb1');
      await ctr.until('/sandboxes/exit', 'sb1');

      assert.equal((await containerd.run('sb2', { work: source })).code, 0);
      using grpc = connectGrpc(containerd.address);
      const waiting = grpc.unary(Controller.method.wait, { sandboxId: 'sb2', sandboxer: 'shim' });
      // On the same two connections as the wait, and behind it.
      for (let asked = 0; asked < 20; asked++)
        // oxlint-disable-next-line no-await-in-loop
        await grpc.unary(Controller.method.status, { sandboxId: 'sb2', sandboxer: 'shim' });
      assert.equal((await containerd.ctr(['sandboxes', 'rm', 'sb2'])).code, 0);
      await waiting;
      await ctr.until('/shares/close', 'sb2');
      await ctr.until('/sandboxes/exit', 'sb2');

      for (const id of ['sb1', 'sb2']) {
        assert.deepEqual(ctr.topicsOf(id, '/shares/'), SHARE);
        assert.deepEqual(ctr.topicsOf(id, '/sandboxes/'), SANDBOX);
      }
      const ready = ctr.events.find(({ topic }) => topic === '/shares/ready');
      assert.equal(ready?.namespace, 'default');
      const info = ready.message['info'] as Record<string, string>;
      assert.deepEqual(
        [ready.message['state'], info['tag'], info['shared_dir']],
        ['waiting', 'work', source],
      );
      assert.deepEqual(ctr.complaints(), []);
    });

    test('shows that a daemon was killed, and why its sandbox ended', async () => {
      await using containerd = await startShimContainerd({ version });
      await using ctr = await watchCtrEvents(containerd);
      assert.equal((await containerd.run('sb', { work: await containerd.source('work') })).code, 0);
      const [record] = await containerd.records();
      process.kill(record?.pid ?? 0, 'SIGKILL');
      await ctr.until('/sandboxes/exit', 'sb');
      const shown = Object.fromEntries(ctr.events.map(({ topic, message }) => [topic, message]));
      const { cause, message } = (shown['/shares/exit']?.['info'] ?? {}) as Record<string, string>;
      assert.deepEqual([cause, message], ['crashed', 'virtiofsd was killed by SIGKILL']);
      assert.equal(shown['/shares/exit']?.['pid'], record?.pid);
      assert.equal(shown['/sandboxes/exit']?.['exit_status'], 137);
    });

    test('shows what happened while containerd was dead, in order', async () => {
      await using containerd = await startShimContainerd({ version });
      // containerd keeps no event for who subscribes later: its socket comes back when ctr is there.
      const address = join(containerd.dir, 'events.sock');
      await symlink(containerd.ttrpcAddress, address);
      await appendFile(containerd.configFile, `[containerd]\nttrpc_address = "${address}"\n`);
      const source = await containerd.source('work');
      {
        await using before = await watchCtrEvents(containerd);
        assert.equal((await containerd.run('sb', { work: source })).code, 0);
        await before.until('/shares/ready', 'sb');
      }
      const [record] = await containerd.records();
      await rm(address);
      await containerd.kill('SIGKILL');
      process.kill(record?.pid ?? 0, 'SIGKILL');
      await using shares = await connectShares(containerd);
      const share = { sandboxId: 'api', tag: 'work' };
      await eventually('its end is known', async () => {
        const { shares: all } = await shares.list({});
        return all.some(({ sandboxId, exit }) => sandboxId === 'sb' && exit !== undefined);
      });
      await shares.open({ ...share, source });
      await shares.close(share);
      await containerd.restart();
      await using ctr = await watchCtrEvents(containerd);
      await symlink(containerd.ttrpcAddress, address);
      await ctr.until('/sandboxes/exit', 'api');
      const shown = ctr.events
        .filter(({ topic }) => /^\/(shares|sandboxes)\//.test(topic))
        .map(({ topic, message }) => [topic, message['sandbox_id']]);
      // containerd's last answer may have been on its way when it died.
      if (String(shown[0]) === '/shares/ready,sb') shown.shift();
      assert.deepEqual(shown, [
        ['/shares/exit', 'sb'],
        ['/sandboxes/exit', 'sb'],
        ['/sandboxes/create', 'api'],
        ...SHARE.map((topic) => [topic, 'api']),
        ['/sandboxes/exit', 'api'],
      ]);
      assert.equal((await containerd.ctr(['sandboxes', 'rm', 'sb'])).code, 0);
    });

    test('shows what a host tells that no start has started, and nothing anew of what the next one adopts', async () => {
      await using containerd = await startShimContainerd({ version });
      await using ctr = await watchCtrEvents(containerd);
      const directory = join(containerd.dir, 'own');
      await mkdir(directory);
      const source = await containerd.source('work');
      const top = `[containerd]\nttrpc_address = "${containerd.ttrpcAddress}"`;
      const daemon = await obtain('virtiofsd-rust');
      const share = { sandboxId: 'api', tag: 'work' };
      {
        await using host = await startServe(directory, { daemon, top });
        await host.shares.open({ ...share, source });
        await ctr.until('/shares/ready', 'api');
        await host.end('SIGKILL');
      }
      await using next = await startServe(directory, { daemon, top });
      const { shares } = await next.shares.list({});
      assert.deepEqual(
        shares.map(({ adopted, state }) => [adopted, state]),
        [[true, 'waiting']],
      );
      await next.shares.close(share);
      await ctr.until('/sandboxes/exit', 'api');
      assert.deepEqual(ctr.topicsOf('api'), ['/sandboxes/create', ...SHARE, '/sandboxes/exit']);
      await next.end('SIGTERM');
    });
  });
}

// containerd 2.3 pulls a pause image for each pod.
test('ctr events shows the life of a pod, of which containerd publishes nothing itself', async () => {
  const config = '[[shares]]\ntag = "work"\n';
  await using containerd = await startShimContainerd({
    version: '2.4.2',
    config,
    runtimes: { virtiofs: {} },
  });
  await using ctr = await watchCtrEvents(containerd);
  using grpc = connectGrpc(containerd.address);
  const cri = RuntimeService.method;
  const request = { config: hostNetworkPod({ name: 'pod' }), runtimeHandler: 'virtiofs' };
  const { podSandboxId } = await grpc.unary(cri.runPodSandbox, request);
  await grpc.unary(cri.stopPodSandbox, { podSandboxId });
  await grpc.unary(cri.removePodSandbox, { podSandboxId });
  await ctr.until('/sandboxes/exit', podSandboxId);
  assert.deepEqual(ctr.topicsOf(podSandboxId, '/shares/'), SHARE);
  assert.deepEqual(ctr.topicsOf(podSandboxId, '/sandboxes/'), SANDBOX);
  assert.ok(
    ctr.events
      .filter(({ message }) => message['sandbox_id'] === podSandboxId)
      .every(({ namespace }) => namespace === 'k8s.io'),
  );
});
