import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { connectGrpc } from '../../harness/containerd/grpc.ts';
import { hostNetworkPod } from '../../harness/containerd/pods.ts';
import { startPods, podWays } from '../../harness/containerd/pod-ways.ts';
import { PodSandboxState, RuntimeService } from '../../harness/containerd/proto/cri_pb.ts';
import { runGuest } from '../../harness/guest/run-guest.ts';
import { eventually } from '../../harness/eventually.ts';
import { isGone } from '../../harness/leftovers.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';

// Pods by CRI, whose shares come from [[shares]] of the configuration. Needs root.

const version = '2.4.2';
const cri = RuntimeService.method;

for (const way of podWays)
  describe(`CRI by way of the ${way}`, () => {
    test('runs, shows, measures, stops and removes a pod in the host network', async () => {
      const config = '[[shares]]\ntag = "work"\n[[shares]]\ntag = "scratch"\n';
      await using containerd = await startPods(way, { version, config });
      using grpc = connectGrpc(containerd.address);
      const request = { config: hostNetworkPod({ name: 'pod' }), runtimeHandler: 'virtiofs' };
      const { podSandboxId } = await grpc.unary(cri.runPodSandbox, request);
      const records = await containerd.records();
      assert.deepEqual(records.map(({ tag }) => tag).toSorted(), ['scratch', 'work']);
      assert.ok(records.every(({ ownsSource }) => ownsSource));

      const status = await grpc.unary(cri.podSandboxStatus, { podSandboxId, verbose: true });
      assert.equal(status.status?.state, PodSandboxState.SANDBOX_READY);
      assert.equal(status.status.runtimeHandler, 'virtiofs');
      const work = records.find(({ tag }) => tag === 'work');
      const shown = JSON.parse(status.info['share.work'] ?? '{}') as { socketPath?: string };
      assert.equal(shown.socketPath, work?.socketPath);

      // containerd polls once a second.
      await eventually('containerd has measured the pod', async () => {
        const { stats } = await grpc.unary(cri.podSandboxStats, { podSandboxId });
        return (stats?.linux?.memory?.usageBytes?.value ?? 0n) > 1n << 20n;
      });

      const guest = await runGuest({
        script: 'set -e; mount -t virtiofs work /mnt; echo made in the guest > /mnt/file; umount /mnt',
        qemuArguments: JSON.parse(status.info['vmm.qemu'] ?? '[]') as string[],
        memoryMiB: 512,
      });
      assert.equal(guest.code, 0, guest.output);
      assert.equal(await readFile(join(work?.source ?? '', 'file'), 'utf8'), 'made in the guest\n');

      await grpc.unary(cri.stopPodSandbox, { podSandboxId });
      for (const { pid = 0, socketPath } of records) assert.ok(isGone(pid) && !existsSync(socketPath));
      const stopped = await grpc.unary(cri.podSandboxStatus, { podSandboxId });
      assert.equal(stopped.status?.state, PodSandboxState.SANDBOX_NOTREADY);
      await grpc.unary(cri.stopPodSandbox, { podSandboxId });
      await grpc.unary(cri.removePodSandbox, { podSandboxId });
      assert.deepEqual((await grpc.unary(cri.listPodSandbox, {})).items, []);
      assert.deepEqual(await containerd.leftovers(), []);
    });

    test('shows a pod as not ready when its daemon is killed, and removes it', async () => {
      const config = '[[shares]]\ntag = "work"\n';
      await using containerd = await startPods(way, { version, config });
      using grpc = connectGrpc(containerd.address);
      const request = { config: hostNetworkPod({ name: 'pod' }), runtimeHandler: 'virtiofs' };
      const { podSandboxId } = await grpc.unary(cri.runPodSandbox, request);
      const [record] = await containerd.records();
      process.kill(record?.pid ?? 0, 'SIGKILL');
      await eventually('the pod is not ready', async () => {
        const { status } = await grpc.unary(cri.podSandboxStatus, { podSandboxId });
        return status?.state === PodSandboxState.SANDBOX_NOTREADY;
      });
      await grpc.unary(cri.stopPodSandbox, { podSandboxId });
      await grpc.unary(cri.removePodSandbox, { podSandboxId });
      assert.deepEqual(await containerd.leftovers(), []);
    });

    test("takes a pod's shares from the file that the runtime's option ConfigPath names", async () => {
      const config = '[[shares]]\ntag = "of-the-host"\n';
      await using place = await temporaryDirectory();
      const file = join(place.path, 'fast.toml');
      const options = `TypeUrl = "virtiofs.toml"\nConfigPath = "${file}"`;
      const runtimes = { 'virtiofs-fast': { options } };
      await using containerd = await startPods(way, { version, config, runtimes });
      const own = await readFile(containerd.configFile, 'utf8');
      await writeFile(file, own.replace('of-the-host', 'of-the-runtime'));
      using grpc = connectGrpc(containerd.address);
      for (const runtimeHandler of ['virtiofs', 'virtiofs-fast'])
        // oxlint-disable-next-line no-await-in-loop -- two
        await grpc.unary(cri.runPodSandbox, {
          config: hostNetworkPod({ name: runtimeHandler }),
          runtimeHandler,
        });
      const tags = (await containerd.records()).map(({ tag }) => tag).toSorted();
      assert.deepEqual(tags, ['of-the-host', 'of-the-runtime']);
      assert.equal((await containerd.hosts()).length, 1);
    });

    test('refuses a pod whose runtime has options that would be lost', async () => {
      const config = '[[shares]]\ntag = "of-the-host"\n';
      const options = 'TypeUrl = "virtiofs.toml"\nConfigPaht = "/etc/containerd-shim-virtiofs/other.toml"';
      await using containerd = await startPods(way, {
        version,
        config,
        runtimes: { virtiofs: { options } },
      });
      using grpc = connectGrpc(containerd.address);
      const request = { config: hostNetworkPod({ name: 'pod' }), runtimeHandler: 'virtiofs' };
      await assert.rejects(
        grpc.unary(cri.runPodSandbox, request),
        /Unknown runtime option "ConfigPaht"; did you mean "ConfigPath"\?/,
      );
      assert.deepEqual(await containerd.leftovers(), []);
    });

    test('refuses a pod whose share cannot be opened, in its own words', async () => {
      const config = '[[shares]]\ntag = "work"\nsource = "/nowhere/at/all"\n';
      await using containerd = await startPods(way, { version, config });
      using grpc = connectGrpc(containerd.address);
      const request = { config: hostNetworkPod({ name: 'pod' }), runtimeHandler: 'virtiofs' };
      await assert.rejects(
        grpc.unary(cri.runPodSandbox, request),
        /Cannot start share "work": .*"\/nowhere\/at\/all"/,
      );
      assert.deepEqual((await grpc.unary(cri.listPodSandbox, {})).items, []);
      assert.deepEqual(await containerd.leftovers(), []);
    });
  });
