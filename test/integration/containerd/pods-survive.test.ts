import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, test } from 'node:test';

import { Controller } from '../../../src/proto/containerd/sandbox-controller_pb.ts';
import { containerdVersions } from '../../harness/containerd/containerd-binaries.ts';
import {
  CONTROLLER,
  startControllerContainerd,
  type ControllerContainerd,
} from '../../harness/containerd/controller-containerd.ts';
import { activated, hasListener, noActivation as skip } from '../../harness/activated.ts';
import { controllerHost, type ControllerHost } from '../../harness/containerd/controller-host.ts';
import { connectGrpc, type GrpcConnection } from '../../harness/containerd/grpc.ts';
import { markOf } from '../../harness/containerd/marked-processes.ts';
import { hostNetworkPod } from '../../harness/containerd/pods.ts';
import { PodSandboxState, RuntimeService } from '../../harness/containerd/proto/cri_pb.ts';
import type { ShimContainerdOptions } from '../../harness/containerd/shim-containerd.ts';
import { eventually } from '../../harness/eventually.ts';
import { fixture } from '../../harness/fixtures.ts';
import { startWorkingGuest } from '../../harness/guest/working-guest.ts';
import { isGone } from '../../harness/leftovers.ts';
import { SHIM_VIRTIOFS } from '../../harness/shim-virtiofs.ts';

// Pods of the controller, whose host and containerd die and come back. Needs root.

const cri = RuntimeService.method;
const WORK = '[[shares]]\ntag = "work"\n';
/** gRPC's: kubelet tries again. */
const UNAVAILABLE = 14;

/** A pod, and what containerd says of it now, over a connection of its own each time. */
interface Pod {
  readonly id: string;
  call<T>(action: (grpc: GrpcConnection) => Promise<T>): Promise<T>;
  /** Undefined while its host cannot be asked. */
  status(): Promise<PodSandboxState | undefined>;
  /** What `crictl pods` shows. */
  listed(): Promise<readonly PodSandboxState[]>;
  stop(): Promise<unknown>;
  remove(): Promise<unknown>;
}

async function runPod(containerd: ControllerContainerd): Promise<Pod> {
  const call: Pod['call'] = async (action) => {
    using grpc = connectGrpc(containerd.address);
    return await action(grpc);
  };
  const request = { config: hostNetworkPod({ name: 'pod' }), runtimeHandler: 'virtiofs' };
  const { podSandboxId: id } = await call((grpc) => grpc.unary(cri.runPodSandbox, request));
  return {
    id,
    call,
    status: () =>
      call((grpc) => grpc.unary(cri.podSandboxStatus, { podSandboxId: id })).then(
        ({ status }) => status?.state,
        (error: { code?: unknown }) => {
          if (error.code === UNAVAILABLE) return undefined;
          throw error;
        },
      ),
    listed: async () =>
      (await call((grpc) => grpc.unary(cri.listPodSandbox, {}))).items.map(({ state }) => state),
    stop: () => call((grpc) => grpc.unary(cri.stopPodSandbox, { podSandboxId: id })),
    remove: () => call((grpc) => grpc.unary(cri.removePodSandbox, { podSandboxId: id })),
  };
}

/** containerd dials the controller again after up to three seconds. What it says meanwhile is never that the pod has ended. */
const isReady = (pod: Pod): Promise<void> =>
  eventually('the pod is ready', async () => {
    const state = await pod.status();
    assert.notEqual(state, PodSandboxState.SANDBOX_NOTREADY);
    return state === PodSandboxState.SANDBOX_READY;
  });

/** As kubelet does. */
const untilDone = (what: string, action: () => Promise<unknown>): Promise<void> =>
  eventually(what, () =>
    action().then(
      () => true,
      (error: Error & { code?: unknown }) => {
        assert.equal(error.code, UNAVAILABLE, error.message);
        return false;
      },
    ),
  );

const start = (
  version: ShimContainerdOptions['version'],
  options: Partial<ShimContainerdOptions> = {},
): Promise<ControllerContainerd> => startControllerContainerd({ version, config: WORK, ...options });

type Deaths = readonly (readonly [what: string, die: (node: ControllerContainerd) => Promise<void>])[];

/** The last one has containerd find its controller, so that it sees the pod's end. */
const DEATHS: Deaths = [
  ['the host', (node) => restartHost(node, 'SIGKILL')],
  ['containerd', (node) => restartContainerd(node, 'SIGKILL')],
  ['both, and the host comes first', (node) => restartBoth(node, 'host')],
  [
    'the host, twice',
    async (node) => {
      await restartHost(node, 'SIGKILL');
      await restartHost(node, 'SIGKILL');
    },
  ],
  ['both, and containerd comes first', (node) => restartBoth(node, 'containerd')],
  ['the host, after that', (node) => restartHost(node, 'SIGKILL')],
  ['the host, by SIGTERM', (node) => restartHost(node, 'SIGTERM')],
  ['both once more, and containerd comes first', (node) => restartBoth(node, 'containerd')],
  ['containerd, by SIGTERM', (node) => restartContainerd(node, 'SIGTERM')],
  ['both once more, and the host comes first', (node) => restartBoth(node, 'host')],
];

async function restartHost(node: ControllerContainerd, signal: NodeJS.Signals): Promise<void> {
  await node.endHost(signal);
  await node.startHost();
}

async function restartContainerd(node: ControllerContainerd, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  await node.kill(signal);
  await node.restart();
}

async function restartBoth(node: ControllerContainerd, first: 'host' | 'containerd'): Promise<void> {
  await Promise.all([node.endHost('SIGKILL'), node.kill('SIGKILL')]);
  if (first === 'host') await node.startHost();
  await node.restart();
  if (first === 'containerd') await node.startHost();
}

/** A host that systemd starts when somebody connects to the controller's socket. */
const activatedHost = (node: ControllerContainerd): ControllerHost =>
  controllerHost(node, {
    command: activated(
      node.controllerAddress,
      [process.execPath, SHIM_VIRTIOFS],
      Object.keys(markOf(node.dir)),
    ),
  });

for (const version of containerdVersions) {
  describe(`a pod of containerd ${version}`, () => {
    test('is ready again after every death, and its guest never stops', async () => {
      await using node = await start(version);
      const pod = await runPod(node);
      const [record] = await node.records();
      assert.ok(record);
      const { info } = await pod.call((grpc) =>
        grpc.unary(cri.podSandboxStatus, { podSandboxId: pod.id, verbose: true }),
      );
      await using guest = await startWorkingGuest('work', {
        memoryMiB: 512,
        // A death takes seconds, and on a busy machine a minute.
        timeoutMs: 1_800_000,
        qemuArguments: JSON.parse(info['vmm.qemu'] ?? '[]') as string[],
      });
      for (const [what, die] of DEATHS) {
        // oxlint-disable no-await-in-loop -- one after the other
        await die(node);
        await isReady(pod);
        const [adopted] = await node.records();
        assert.deepEqual([adopted?.pid, adopted?.socketPath], [record.pid, record.socketPath], what);
        await guest.anotherRound();
        // oxlint-enable no-await-in-loop
      }
      assert.deepEqual(await pod.listed(), [PodSandboxState.SANDBOX_READY]);
      const request = { sandboxId: pod.id, sandboxer: CONTROLLER };
      using grpc = connectGrpc(node.address);
      const waiting = grpc.unary(Controller.method.wait, request, { namespace: 'k8s.io' });
      // Where the test fails before, that counts.
      waiting.catch(() => {});
      await restartHost(node, 'SIGKILL');
      await isReady(pod);
      await guest.finish(record.source);
      assert.equal((await waiting).exitStatus, 0);
      await eventually(
        'containerd has seen its end',
        async () => (await pod.listed())[0] === PodSandboxState.SANDBOX_NOTREADY,
      );
      await pod.stop();
      await pod.remove();
      assert.deepEqual(await pod.listed(), []);
      assert.deepEqual(await node.leftovers(), []);
    });

    test('is there without shares too', async () => {
      await using node = await start(version, { config: '' });
      const pod = await runPod(node);
      await restartHost(node, 'SIGKILL');
      await isReady(pod);
      await restartContainerd(node, 'SIGKILL');
      await isReady(pod);
      assert.deepEqual(await pod.listed(), [PodSandboxState.SANDBOX_READY]);
      await pod.stop();
      assert.equal(await pod.status(), PodSandboxState.SANDBOX_NOTREADY);
      await restartHost(node, 'SIGKILL');
      await eventually(
        'it is stopped still',
        async () => (await pod.status()) === PodSandboxState.SANDBOX_NOTREADY,
      );
      await pod.remove();
      assert.deepEqual(await node.leftovers(), []);
    });

    test('cannot be stopped or removed without its host, and can as soon as that is back', async () => {
      await using node = await start(version);
      const pod = await runPod(node);
      const [record] = await node.records();
      await node.endHost('SIGKILL');
      await assert.rejects(pod.stop(), { code: UNAVAILABLE });
      await assert.rejects(pod.remove(), { code: UNAVAILABLE });
      assert.equal(isGone(record?.pid ?? 0), false);
      await node.startHost();
      await untilDone('it is stopped', () => pod.stop());
      assert.equal(isGone(record?.pid ?? 0), true);
      await node.endHost('SIGKILL');
      await assert.rejects(pod.remove(), { code: UNAVAILABLE });
      await node.startHost();
      await untilDone('it is removed', () => pod.remove());
      assert.deepEqual(await pod.listed(), []);
      assert.deepEqual(await node.leftovers(), []);
    });

    test('is ready for a containerd that starts alone, where systemd has the socket', { skip }, async () => {
      await using node = await start(version);
      const pod = await runPod(node);
      await Promise.all([node.endHost('SIGKILL'), node.kill('SIGKILL')]);
      await using host = activatedHost(node);
      const started = host.start();
      // Where the test fails before, that counts.
      started.catch(() => {});
      await eventually('systemd listens', () => hasListener(node.controllerAddress));
      await node.restart();
      await started;
      await isReady(pod);
      assert.deepEqual(await pod.listed(), [PodSandboxState.SANDBOX_READY]);
      await pod.stop();
      await pod.remove();
      assert.deepEqual(await node.leftovers(), []);
      await host.end('SIGTERM');
      assert.ok(existsSync(node.controllerAddress), "the socket is not the host's to remove");
    });

    test('whose daemon ended while there was no host is over when there is one again', async () => {
      await using node = await start(version);
      const pod = await runPod(node);
      const [record] = await node.records();
      await node.endHost('SIGKILL');
      process.kill(record?.pid ?? 0, 'SIGKILL');
      await eventually('it is gone', () => isGone(record?.pid ?? 0));
      await node.startHost();
      await eventually('containerd has seen its end', async () => {
        const state = await pod.status();
        assert.notEqual(state, PodSandboxState.SANDBOX_READY);
        return (await pod.listed())[0] === PodSandboxState.SANDBOX_NOTREADY && state !== undefined;
      });
      await restartHost(node, 'SIGKILL');
      await eventually(
        'it is over still',
        async () => (await pod.status()) === PodSandboxState.SANDBOX_NOTREADY,
      );
      await pod.stop();
      await pod.remove();
      assert.deepEqual(await node.leftovers(), []);
    });

    test('is stopped by the next host where one died while it stopped it', async () => {
      const virtiofs = `virtio_fs_daemon = "${fixture('ignores-sigterm')}"\nvirtio_fs_dialect = "rust"\nvirtio_fs_stop_timeout_ms = 600000`;
      await using node = await start(version, { virtiofs });
      const pod = await runPod(node);
      const [record] = await node.records();
      const stopping = assert.rejects(pod.stop(), { code: UNAVAILABLE });
      await eventually('it is being stopped', async () => (await node.records())[0]?.isClosing === true);
      await node.endHost('SIGKILL');
      await stopping;
      assert.equal(isGone(record?.pid ?? 0), false);
      await node.startHost();
      await eventually(
        'containerd has seen its end',
        async () => (await pod.listed())[0] === PodSandboxState.SANDBOX_NOTREADY,
      );
      assert.equal(isGone(record?.pid ?? 0), true);
      await untilDone('it is stopped', () => pod.stop());
      await pod.remove();
      assert.deepEqual(await node.leftovers(), []);
    });

    test('whose host dies while it is started leaves nothing once kubelet has removed it', async () => {
      const virtiofs = `virtio_fs_daemon = "${fixture('never-ready')}"\nvirtio_fs_dialect = "rust"`;
      await using node = await start(version, { virtiofs });
      const running = runPod(node).then(
        () => 'ran',
        (error: { code?: unknown }) => error.code,
      );
      await eventually('its daemon is there', async () => ((await node.records())[0]?.pid ?? 0) > 0);
      await node.endHost('SIGKILL');
      assert.equal(await running, UNAVAILABLE);
      await node.startHost();
      using grpc = connectGrpc(node.address);
      for (const { id: podSandboxId } of (await grpc.unary(cri.listPodSandbox, {})).items) {
        // oxlint-disable no-await-in-loop -- one
        await untilDone('it is stopped', () => grpc.unary(cri.stopPodSandbox, { podSandboxId }));
        await untilDone('it is removed', () => grpc.unary(cri.removePodSandbox, { podSandboxId }));
        // oxlint-enable no-await-in-loop
      }
      await eventually('nothing is left', async () => (await node.leftovers()).length === 0);
    });
  });
}
