import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { containerdVersions } from '../../harness/containerd/containerd-binaries.ts';
import { OBSTACLES } from '../../harness/containerd/obstacles.ts';
import { startControllerContainerd } from '../../harness/containerd/controller-containerd.ts';
import { connectGrpc, type GrpcCallOptions, type GrpcConnection } from '../../harness/containerd/grpc.ts';
import { PAUSE_IMAGE } from '../../harness/containerd/pause-image.ts';
import { startPods, podWays } from '../../harness/containerd/pod-ways.ts';
import { bridgePod, hostNetworkPod, type PodConfig } from '../../harness/containerd/pods.ts';
import {
  PodSandboxState,
  RuntimeService,
  type PodSandboxStatus,
} from '../../harness/containerd/proto/cri_pb.ts';
import type { ShimContainerd } from '../../harness/containerd/shim-containerd.ts';
import { eventually } from '../../harness/eventually.ts';
import { runShimVirtiofs } from '../../harness/shim-virtiofs.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';

// Pods as a kubelet asks for them, by both ways. Needs root.

const cri = RuntimeService.method;
const config = '[[shares]]\ntag = "work"\n';
const newest = { version: '2.4.2', config } as const;
const { SANDBOX_READY, SANDBOX_NOTREADY } = PodSandboxState;

for (const way of podWays) {
  describe(`pods by way of the ${way}`, () => {
    for (const version of containerdVersions)
      test(`have a share on the network of the host and on one of their own, with containerd ${version}`, async () => {
        await using containerd = await startPods(way, { version, config, cni: true });
        using grpc = connectGrpc(containerd.address);
        const pods = [hostNetworkPod({ name: 'host' }), bridgePod({ name: 'bridge' })];
        const ids = await Promise.all(pods.map((pod) => runPod(grpc, pod)));
        const [onHost, onBridge] = await Promise.all(ids.map((id) => statusOf(grpc, id)));
        assert.equal(onHost?.network?.ip, '');
        assert.match(onBridge?.network?.ip ?? '', /^10\.88\.0\.\d+$/);
        const records = await containerd.records();
        assert.deepEqual(records.map(({ sandboxId }) => sandboxId).toSorted(), ids.toSorted());
        await Promise.all(ids.map((id) => removePod(grpc, id)));
        await assertNothingLeft(containerd, grpc);
      });

    test('are known by their names, and what is secret in their annotations is told to nobody', async () => {
      const log = '[log]\nlevel = "trace"\n';
      await using containerd = await startPods(way, { ...newest, config: `${config}${log}` });
      using grpc = connectGrpc(containerd.address);
      const annotations = { 'example.com/password': 'not-for-the-log' };
      const labels = { token: 'nor-is-this' };
      const id = await runPod(grpc, hostNetworkPod({ name: 'web', attempt: 2, annotations, labels }));
      const { info } = await grpc.unary(cri.podSandboxStatus, { podSandboxId: id, verbose: true });
      const pod = { name: 'web', namespace: 'test', uid: 'uid-web', attempt: 2 };
      assert.deepEqual(JSON.parse(info['pod'] ?? ''), pod);
      const state = ['--state', containerd.state];
      const { stdout } = await runShimVirtiofs('inspect', id, '--namespace', 'k8s.io', ...state);
      assert.match(stdout, /^ {2}Pod +test\/web, uid uid-web, attempt 2$/m);
      await removePod(grpc, id);
      const logs = await readHostLogs(containerd);
      assert.match(logs, /"k8s.pod.name":"web"/);
      assert.doesNotMatch(logs, /not-for-the-log|nor-is-this/);
    });

    for (const [what, raise] of Object.entries(OBSTACLES))
      test(`leave nothing where ${what}, and the next attempt works`, async () => {
        await using place = await temporaryDirectory();
        const { lines, message, remove, ...settings } = await raise(place.path);
        const options = { ...newest, ...settings, config: `${config}${lines}`, cni: true };
        await using containerd = await startPods(way, options);
        using grpc = connectGrpc(containerd.address);
        await assert.rejects(runPod(grpc, bridgePod({ name: 'pod' })), message);
        await assertNothingLeft(containerd, grpc);
        await remove();
        const id = await runPod(grpc, bridgePod({ name: 'pod', attempt: 1 }));
        assert.equal((await statusOf(grpc, id)).state, SANDBOX_READY);
        await removePod(grpc, id);
        await assertNothingLeft(containerd, grpc);
      });

    test('leave nothing where containerd gives them up before their start and tells nobody', async () => {
      await using containerd = await startPods(way, { version: '2.3.7', config, cni: true });
      using grpc = connectGrpc(containerd.address);
      // It looks for this image between the creation and the start.
      const { code } = await containerd.ctr(['-n', 'k8s.io', 'images', 'rm', '--sync', PAUSE_IMAGE]);
      assert.equal(code, 0);
      await assert.rejects(runPod(grpc, bridgePod({ name: 'pod' }), { timeoutMs: 4000 }));
      await eventually('nothing is left', async () => (await leftOf(containerd, grpc)).length === 0);
    });

    test('take the place of one whose daemon has died, while that one is still there', async () => {
      await using containerd = await startPods(way, { ...newest, cni: true });
      using grpc = connectGrpc(containerd.address);
      const first = await runPod(grpc, bridgePod({ name: 'pod' }));
      const [record] = await containerd.records();
      process.kill(record?.pid ?? 0, 'SIGKILL');
      await eventually('the pod is not ready', async () => {
        const { state } = await statusOf(grpc, first);
        return state === SANDBOX_NOTREADY;
      });
      await grpc.unary(cri.stopPodSandbox, { podSandboxId: first });
      const second = await runPod(grpc, bridgePod({ name: 'pod', attempt: 1 }));
      await grpc.unary(cri.removePodSandbox, { podSandboxId: first });
      assert.equal((await statusOf(grpc, second)).state, SANDBOX_READY);
      const records = await containerd.records();
      assert.deepEqual(
        records.map(({ sandboxId, pod }) => [sandboxId, pod?.attempt]),
        [[second, 1]],
      );
      await removePod(grpc, second);
      await assertNothingLeft(containerd, grpc);
    });

    test('come and go 50 at once', async () => {
      await using containerd = await startPods(way, { ...newest, cni: true });
      using grpc = connectGrpc(containerd.address);
      const pods = Array.from({ length: 50 }, (_, index) => bridgePod({ name: `pod-${index}` }));
      const ids = await Promise.all(pods.map((pod) => runPod(grpc, pod)));
      const statuses = await Promise.all(ids.map((id) => statusOf(grpc, id)));
      assert.ok(statuses.every(({ state }) => state === SANDBOX_READY));
      assert.equal(new Set(statuses.map(({ network }) => network?.ip)).size, ids.length);
      const records = await containerd.records();
      assert.equal(new Set(records.map(({ pid }) => pid)).size, ids.length);
      assert.equal(new Set(records.map(({ socketPath }) => socketPath)).size, ids.length);
      await Promise.all(ids.map((id) => removePod(grpc, id)));
      await assertNothingLeft(containerd, grpc);
    });
  });
}

describe('pods of the controller', () => {
  test('are known by their names to the next host, in its log too', async () => {
    await using containerd = await startControllerContainerd(newest);
    using grpc = connectGrpc(containerd.address);
    const id = await runPod(grpc, hostNetworkPod({ name: 'web', attempt: 1 }));
    await containerd.endHost('SIGKILL');
    await containerd.startHost();
    const host = ['--namespace', 'k8s.io', '--state', containerd.state];
    const { stdout } = await runShimVirtiofs('inspect', id, ...host);
    assert.match(stdout, /^ {2}Pod +test\/web, uid uid-web, attempt 1$/m);
    // containerd waits a while before it connects again.
    const showsPod = async (): Promise<boolean> => {
      const { info } = await grpc.unary(cri.podSandboxStatus, { podSandboxId: id, verbose: true });
      return info['pod'] === JSON.stringify({ name: 'web', namespace: 'test', uid: 'uid-web', attempt: 1 });
    };
    await eventually('its status names the pod', () => showsPod().catch(() => false));
    const [record] = await containerd.records();
    process.kill(record?.pid ?? 0, 'SIGKILL');
    await eventually('the pod is not ready', async () => {
      const { state } = await statusOf(grpc, id);
      return state === SANDBOX_NOTREADY;
    });
    await eventually('its log names the pod whose daemon died', async () => {
      const lines = (await readHostLogs(containerd)).split('\n');
      return lines.some((line) => /"level":"error".*"k8s.pod.name":"web".*"share":"work"/.test(line));
    });
    await removePod(grpc, id);
    await assertNothingLeft(containerd, grpc);
  });
});

async function runPod(grpc: GrpcConnection, pod: PodConfig, options: GrpcCallOptions = {}): Promise<string> {
  const request = { config: pod, runtimeHandler: 'virtiofs' };
  return (await grpc.unary(cri.runPodSandbox, request, options)).podSandboxId;
}

async function statusOf(grpc: GrpcConnection, podSandboxId: string): Promise<PodSandboxStatus> {
  const { status } = await grpc.unary(cri.podSandboxStatus, { podSandboxId });
  assert.ok(status);
  return status;
}

async function removePod(grpc: GrpcConnection, podSandboxId: string): Promise<void> {
  await grpc.unary(cri.stopPodSandbox, { podSandboxId });
  await grpc.unary(cri.removePodSandbox, { podSandboxId });
}

async function readHostLogs({ dir, state }: ShimContainerd): Promise<string> {
  const files = [join(state, 'host.log'), join(dir, 'host.out')];
  return (await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')))).join('');
}

async function assertNothingLeft(containerd: ShimContainerd, grpc: GrpcConnection): Promise<void> {
  assert.deepEqual(await leftOf(containerd, grpc), []);
}

/** What is there of pods, of containerd's records of them, of ours and of their network. */
async function leftOf(containerd: ShimContainerd, grpc: GrpcConnection): Promise<string[]> {
  const { items } = await grpc.unary(cri.listPodSandbox, {});
  const { stdout } = await containerd.ctr(['-n', 'k8s.io', 'sandboxes', 'ls']);
  const ofNetwork = (await containerd.network?.leftovers()) ?? [];
  const [, ...recorded] = stdout.split('\n');
  return [...items.map(({ id }) => id), ...recorded, ...(await containerd.leftovers()), ...ofNetwork];
}
