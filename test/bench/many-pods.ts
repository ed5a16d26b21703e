import { hostNetworkPod } from '../harness/containerd/pods.ts';
import { RuntimeService } from '../harness/containerd/proto/cri_pb.ts';
import { WAYS, type Stand, type Way } from './controller-stand.ts';

const PODS = 50;

/** What {@link measureManyPods} found. */
export interface ManyPods {
  /** In milliseconds. */
  readonly times: Record<string, number[]>;
  /** In MiB. */
  readonly memory: Record<string, number[]>;
}

/** Runs and removes many pods at once by each way, in turn; how the host fares while an empty controller works is noise. */
export async function measureManyPods(
  stand: Stand,
  { rounds, signal }: { rounds: number; signal: AbortSignal },
): Promise<ManyPods> {
  const found: ManyPods = { times: {}, memory: {} };
  const ways = Object.keys(WAYS) as Way[];
  for (let turn = 0; turn < rounds * ways.length; turn++) {
    signal.throwIfAborted();
    const way = ways[(turn + Math.floor(turn / ways.length)) % ways.length]!;
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const { times, residentMiB } = await runAndRemove(stand, { way, turn });
    for (const [name, value] of Object.entries(times)) (found.times[`${way}: ${name}`] ??= []).push(value);
    if (way !== 'empty') (found.memory[`${way}: host's memory, ${PODS} pods`] ??= []).push(residentMiB);
  }
  return found;
}

async function runAndRemove(
  { grpc, host }: Stand,
  { way, turn }: { way: Way; turn: number },
): Promise<{ times: Record<string, number>; residentMiB: number }> {
  const { runPodSandbox, stopPodSandbox, removePodSandbox } = RuntimeService.method;
  const configs = Array.from({ length: PODS }, (_, index) =>
    hostNetworkPod({ name: `many-${turn}-${index}` }),
  );
  const ids: string[] = [];
  const run = await host.turnsOf(async () => {
    const running = configs.map((config) => grpc.unary(runPodSandbox, { config, runtimeHandler: way }));
    for (const { podSandboxId } of await Promise.all(running)) ids.push(podSandboxId);
  });
  const { resident } = await host.memory();
  const removed = await host.turnsOf(async () => {
    await Promise.all(ids.map((podSandboxId) => grpc.unary(stopPodSandbox, { podSandboxId })));
    await Promise.all(ids.map((podSandboxId) => grpc.unary(removePodSandbox, { podSandboxId })));
  });
  const times = {
    [`${PODS} pods run`]: run.total,
    [`${PODS} pods stopped and removed`]: removed.total,
    "host's longest turn until they run": run.longest,
    "host's longest gap until they run": run.longestGap,
    "host's longest turn until they are removed": removed.longest,
    "host's longest gap until they are removed": removed.longestGap,
  };
  return { times, residentMiB: resident };
}
