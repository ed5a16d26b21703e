import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { anyPack, timestampNow } from '@bufbuild/protobuf/wkt';
import { Code, StatusError } from 'ttrpc-ts';
import { messageOf } from '../errors.ts';
import type { Sandbox } from '../host/contract.ts';
import { openGroupGauge, type GroupGauge } from '../proc/group-gauge.ts';
import type { ProcessUsage } from '../proc/gauge.ts';
import { MetricsSchema } from '../proto/containerd/cgroup-metrics_pb.ts';
import type { MetricSchema } from '../proto/containerd/metric_pb.ts';
import type { Share } from '../share/contract.ts';

/** Linux reports processor time to programs in hundredths of a second, whatever the kernel's own tick is (USER_HZ). */
const USEC_PER_TICK = 10_000n;

/** What a sandbox's daemons use. */
export type ReadMetrics = (sandbox: Sandbox) => MessageInitShape<typeof MetricSchema>;

/**
 * Creates what measures a sandbox's daemons, their workers included, in the form that containerd's CRI understands.
 * Read from /proc, because the daemons have no cgroup of their own. containerd polls every pod every second, one after
 * the other, so it must neither wait nor cost much: the files stay open for as long as the share.
 */
export function createMeter(): ReadMetrics {
  const gauges = new WeakMap<Share, { readonly pid: number; readonly gauge: GroupGauge }>();
  const close = (share: Share): void => gauges.get(share)?.gauge[Symbol.dispose]();
  const gaugeOf = (share: Share): GroupGauge => {
    const known = gauges.get(share);
    const { pid } = share;
    if (known?.pid === pid) return known.gauge;
    const gauge = openGroupGauge(pid);
    // Another daemon has taken the place of the one that was measured.
    close(share);
    gauges.set(share, { pid, gauge });
    if (!known) void share.closed.finally(() => close(share)).catch(() => {});
    return gauge;
  };
  return (sandbox) => {
    try {
      return metricOf(
        sandbox.sandboxId,
        sandbox.shares.flatMap((share) => gaugeOf(share).read()),
      );
    } catch (cause) {
      // containerd then leaves out this pod, and no other.
      const message = `Cannot measure sandbox "${sandbox.sandboxId}": ${messageOf(cause)}`;
      throw new StatusError(Code.Unavailable, message, { cause });
    }
  };
}

function metricOf(id: string, usages: readonly ProcessUsage[]): MessageInitShape<typeof MetricSchema> {
  const sum = (key: keyof ProcessUsage): bigint =>
    BigInt(usages.reduce((total, usage) => total + usage[key], 0));
  const [userUsec, systemUsec] = [sum('userTicks') * USEC_PER_TICK, sum('systemTicks') * USEC_PER_TICK];
  const [anon, file] = [sum('anonBytes'), sum('fileBytes')];
  const metrics = create(MetricsSchema, {
    pids: { current: BigInt(usages.length) },
    cpu: { usageUsec: userUsec + systemUsec, userUsec, systemUsec },
    memory: { anon, file, usage: anon + file },
    io: { usage: [{ rbytes: sum('readBytes'), wbytes: sum('writtenBytes') }] },
  });
  return { id, timestamp: timestampNow(), data: anyPack(MetricsSchema, metrics) };
}
