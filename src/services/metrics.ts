import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { anyPack, timestampNow } from '@bufbuild/protobuf/wkt';
import { readFileSync } from 'node:fs';
import type { Sandbox } from '../host/sandbox.ts';
import { readStat } from '../proc/stat.ts';
import { MetricsSchema } from '../proto/containerd/cgroup-metrics_pb.ts';
import type { MetricSchema } from '../proto/containerd/metric_pb.ts';

/** Linux reports processor time to programs in hundredths of a second, whatever the kernel's own tick is (USER_HZ). */
const USEC_PER_TICK = 10_000;

/**
 * What a sandbox's daemons use, their workers included, in the form that containerd's CRI understands. Read from
 * /proc, because the daemons have no cgroup of their own. containerd polls this every second, so it must not wait.
 */
export function readMetrics(sandbox: Sandbox): MessageInitShape<typeof MetricSchema> {
  const pids = sandbox.shares.flatMap(({ pid }) => [pid, ...childrenOf(pid)]);
  const usages = pids.flatMap((pid) => readUsage(pid) ?? []);
  const sum = (key: keyof Usage): bigint => BigInt(usages.reduce((total, usage) => total + usage[key], 0));
  const metrics = create(MetricsSchema, {
    pids: { current: BigInt(usages.length) },
    cpu: {
      usageUsec: sum('userUsec') + sum('systemUsec'),
      userUsec: sum('userUsec'),
      systemUsec: sum('systemUsec'),
    },
    memory: { anon: sum('anonBytes'), file: sum('fileBytes'), usage: sum('residentBytes') },
    io: { usage: [{ rbytes: sum('readBytes'), wbytes: sum('writtenBytes') }] },
  });
  return { id: sandbox.sandboxId, timestamp: timestampNow(), data: anyPack(MetricsSchema, metrics) };
}

interface Usage {
  readonly userUsec: number;
  readonly systemUsec: number;
  readonly residentBytes: number;
  readonly anonBytes: number;
  readonly fileBytes: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
}

/** The Rust virtiofsd serves in a child of the process that we know. */
function childrenOf(pid: number): number[] {
  const text = readProc(pid, `task/${pid}/children`) ?? '';
  return text.split(' ').filter(Boolean).map(Number);
}

function readUsage(pid: number): Usage | undefined {
  const stat = readStat(pid);
  const status = readProc(pid, 'status');
  if (stat === undefined || status === undefined) return undefined;
  const io = readProc(pid, 'io') ?? '';
  return {
    userUsec: stat.userTicks * USEC_PER_TICK,
    systemUsec: stat.systemTicks * USEC_PER_TICK,
    residentBytes: member(status, 'VmRSS') * 1024,
    anonBytes: member(status, 'RssAnon') * 1024,
    fileBytes: member(status, 'RssFile') * 1024,
    readBytes: member(io, 'read_bytes'),
    writtenBytes: member(io, 'write_bytes'),
  };
}

const member = (text: string, name: string): number =>
  Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(text)?.[1] ?? 0);

function readProc(pid: number, name: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'latin1');
  } catch {
    return undefined;
  }
}
