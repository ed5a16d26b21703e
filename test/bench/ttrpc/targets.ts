import type { Sample } from './pair.ts';
import type { CaseResult } from './table.ts';

/** A bound on a ratio or a difference of two pairs in one case. */
export interface Target {
  readonly what: string;
  readonly measured: number;
  readonly bound: string;
  readonly met: boolean;
}

/** Compares results with the targets; those of cases or pairs that were not run are left out. */
export function checkTargets(results: readonly CaseResult[]): Target[] {
  const targets: Target[] = [];
  const compare = (spec: Comparison): void => {
    const pairs = results.find(({ name }) => name === spec.case)?.pairs;
    const [a, b] = [pairs?.[spec.pair], pairs?.[spec.to]];
    if (!a || !b) return;
    const measured = spec.minus ? a[spec.key] - b[spec.key] : a[spec.key] / b[spec.key];
    const met = spec.atMost === undefined ? measured >= (spec.atLeast ?? 0) : measured <= spec.atMost;
    const what = `${spec.case}: ${names[spec.key]}, ${spec.pair} ${spec.minus ? 'minus' : 'to'} ${spec.to}`;
    const bound = spec.atMost === undefined ? `≥ ${spec.atLeast}` : `≤ ${spec.atMost}`;
    targets.push({ what, measured: Math.round(measured * 100) / 100, bound, met });
  };
  for (const comparison of comparisons) compare(comparison);
  return targets;
}

interface Comparison {
  readonly case: string;
  readonly key: keyof Sample;
  readonly pair: string;
  readonly to: string;
  readonly minus?: boolean;
  readonly atMost?: number;
  readonly atLeast?: number;
}

const names: Readonly<Record<keyof Sample, string>> = {
  p50: 'p50',
  p99: 'p99',
  perSecond: 'rate',
  count: 'count',
  cpuPerCall: 'CPU per call',
};

const [serial, many, stream] = ['100 B × 1', '100 B × 16', 'stream 100 B, window 32'];
const [go, bytes, protobuf, grpc, raw] = ['go → go', 'ts → ts, bytes', 'ts → ts', 'grpc-js', 'raw socket'];

const comparisons: readonly Comparison[] = [
  { case: serial, key: 'p50', pair: bytes, to: raw, minus: true, atMost: 3 },
  { case: serial, key: 'p50', pair: bytes, to: go, atMost: 0.75 },
  { case: serial, key: 'p50', pair: protobuf, to: raw, minus: true, atMost: 6 },
  { case: serial, key: 'p50', pair: protobuf, to: go, atMost: 0.85 },
  { case: serial, key: 'p50', pair: 'go → ts', to: go, atMost: 0.9 },
  { case: serial, key: 'p50', pair: 'go → ts, bytes', to: go, atMost: 0.9 },
  { case: many, key: 'perSecond', pair: bytes, to: go, atLeast: 4 },
  { case: many, key: 'perSecond', pair: bytes, to: grpc, atLeast: 40 },
  { case: many, key: 'perSecond', pair: protobuf, to: go, atLeast: 2.5 },
  { case: many, key: 'perSecond', pair: protobuf, to: grpc, atLeast: 25 },
  { case: many, key: 'cpuPerCall', pair: bytes, to: go, atMost: 0.25 },
  { case: stream, key: 'perSecond', pair: bytes, to: go, atLeast: 4 },
  { case: stream, key: 'perSecond', pair: protobuf, to: go, atLeast: 1.8 },
];
