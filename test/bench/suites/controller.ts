import { setTimeout as delay } from 'node:timers/promises';
import { measureIdleHost, openStand, WAYS, type Stand, type Way } from '../controller-stand.ts';
import { measureManyPods } from '../many-pods.ts';
import { hostNetworkPod } from '../../harness/containerd/pods.ts';
import { RuntimeService } from '../../harness/containerd/proto/cri_pb.ts';
import { Store } from '../../harness/containerd/proto/sandbox-store_pb.ts';
import { recordSandbox } from '../../harness/containerd/sandboxes.ts';
import { specOf } from '../../harness/containerd/shim-containerd.ts';
import { Controller } from '../../../src/proto/containerd/sandbox-controller_pb.ts';
import { measureInTurn, toRows, type Contestants } from '../rows.ts';
import type { Suite } from '../suite.ts';

/** Between sandboxes, in milliseconds: the host gets ready for the next one, as it does where pods do not come at once. */
const PAUSE_MS = 60;

const CALL = { namespace: 'default' };

type Samples = Record<string, number[]>;

/** What sandboxes and pods cost through containerd's proxy_plugins, beside an empty controller and beside our shim. */
export const controller: Suite = {
  name: 'controller',
  description:
    'sandboxes and pods by the controller, by the shim and by an empty controller, through containerd',
  async run({ isQuick, signal }) {
    const idle = await measureIdle({ rounds: isQuick ? 1 : 5, signal });
    await using stand = await openStand();
    const rounds = isQuick ? 10 : 100;
    const calls = await measureInTurn(contestants(stand), { rounds, warmUp: isQuick ? 5 : 20, signal });
    const many = await measureManyPods(stand, { rounds: isQuick ? 1 : 7, signal });
    return {
      rows: [
        ...toRows(calls, { peers: peersOf(calls) }),
        ...toRows(many.times, { peers: peersOf(many.times) }),
        ...toRows({ ...idle, ...many.memory }, { unit: 'MiB' }),
      ],
      notes: [
        "containerd 2.4.2; one host (a checkout's, which is no bundle) for both ways; the empty controller is Node.js too",
        'create is Controller.Create, start waits for the daemon, delete is Stop and Shutdown; pods have one share',
      ],
    };
  },
};

/** Every way against the empty controller, in all that does not look into the host. */
const peersOf = (samples: Readonly<Record<string, unknown>>): Record<string, string> =>
  Object.fromEntries(
    Object.keys(samples).flatMap((name) => {
      const peer = name.replace(/^(controller|shim)/, 'empty').replace('no share', 'one share');
      return peer === name || name.includes("host's") || !(peer in samples) ? [] : [[name, peer]];
    }),
  );

function contestants(stand: Stand): Contestants {
  const one = specOf({ bench: stand.source });
  const none = specOf({});
  let count = 0;
  const cycle = (way: Way, shares: string, spec: unknown) => async () => {
    await delay(PAUSE_MS);
    const found = await sandboxCycle(stand, { id: `bench-${count++}`, sandboxer: WAYS[way], spec });
    return named(found, (step) => `${way}: ${step}, ${shares}`);
  };
  const pod = (way: Way) => async () => {
    await delay(PAUSE_MS);
    return named(await podCycle(stand, way, count++), (step) => `${way}: ${step}`);
  };
  return {
    empty: cycle('empty', 'one share', one),
    one: cycle('controller', 'one share', one),
    none: cycle('controller', 'no share', none),
    shim: cycle('shim', 'one share', one),
    'empty pod': pod('empty'),
    'controller pod': pod('controller'),
    'shim pod': pod('shim'),
  };
}

const named = (
  found: Readonly<Record<string, number>>,
  name: (step: string) => string,
): Record<string, number> =>
  Object.fromEntries(Object.entries(found).map(([step, value]) => [name(step), value]));

async function sandboxCycle(
  { grpc }: Stand,
  { id, sandboxer, spec }: { id: string; sandboxer: string; spec: unknown },
): Promise<Record<string, number>> {
  const request = { sandboxId: id, sandboxer };
  const { start, stop, shutdown } = Controller.method;
  const createRecorded = await recordSandbox(grpc, { id, spec, sandboxer }, CALL);
  const created = await timed(createRecorded);
  const started = await timed(() => grpc.unary(start, request, CALL));
  const deleted = await timed(async () => {
    await grpc.unary(stop, request, CALL);
    await grpc.unary(shutdown, request, CALL);
  });
  await grpc.unary(Store.method.delete, { sandboxId: id }, CALL);
  return { create: created, start: started, delete: deleted, 'create and delete': created + deleted };
}

async function podCycle({ grpc }: Stand, way: Way, count: number): Promise<Record<string, number>> {
  const { runPodSandbox, stopPodSandbox, removePodSandbox } = RuntimeService.method;
  const config = hostNetworkPod({ name: `pod-${count}` });
  const begin = performance.now();
  const { podSandboxId } = await grpc.unary(runPodSandbox, { config, runtimeHandler: way });
  const RunPodSandbox = performance.now() - begin;
  const removed = await timed(async () => {
    await grpc.unary(stopPodSandbox, { podSandboxId });
    await grpc.unary(removePodSandbox, { podSandboxId });
  });
  return { RunPodSandbox, 'pod stopped and removed': removed };
}

/** A host that has nothing to do, with the controller and without. */
async function measureIdle({ rounds, signal }: { rounds: number; signal: AbortSignal }): Promise<Samples> {
  const found: Samples = { "idle host's memory, without [grpc]": [], "idle host's memory, with [grpc]": [] };
  for (let round = 0; round < rounds; round++) {
    for (const [index, samples] of Object.values(found).entries()) {
      signal.throwIfAborted();
      // oxlint-disable-next-line no-await-in-loop -- one host after the other
      samples.push((await measureIdleHost(index === 0 ? '' : '[grpc]\n')).resident);
    }
  }
  return found;
}

async function timed(action: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await action();
  return performance.now() - begin;
}
