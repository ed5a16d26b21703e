import { ratio, summarize } from './statistics.ts';
import type { Row } from './suite.ts';

/** Measurements by what they are of. */
export type Samples = Readonly<Record<string, readonly number[]>>;

/** Returns a row for each name; `peers` says which is compared with which. */
export function toRows(
  samples: Samples,
  { unit = 'ms', peers = {} }: { unit?: Row['unit']; peers?: Readonly<Record<string, string>> } = {},
): Row[] {
  return Object.entries(samples).map(([name, values]): Row => {
    const peer = peers[name];
    const peerValues = peer === undefined ? undefined : samples[peer];
    return {
      name,
      unit,
      ...summarize(values),
      ...(peer && peerValues ? { peer, ratio: ratio(values, peerValues) } : {}),
    };
  });
}

/** What is measured in turn: each call is one measurement of everything that it names. */
export type Contestants = Readonly<Record<string, () => Promise<Readonly<Record<string, number>>>>>;

/**
 * Measures round robin, so that what else happens on this machine hits all of them, and each round begins with another
 * one. The first `warmUp` rounds do not count.
 */
export async function measureInTurn(
  contestants: Contestants,
  { rounds, warmUp, signal }: { rounds: number; warmUp: number; signal: AbortSignal },
): Promise<Samples> {
  const collected = Object.keys(contestants).map((): Record<string, number[]> => ({}));
  const measures = Object.values(contestants);
  for (let round = -warmUp; round < rounds; round++) {
    for (let turn = 0; turn < measures.length; turn++) {
      signal.throwIfAborted();
      const index = (round + warmUp + turn) % measures.length;
      const [measure, samples] = [measures[index]!, collected[index]!];
      // One at a time: what runs beside a measurement is part of it.
      // oxlint-disable-next-line no-await-in-loop
      const found = await measure();
      if (round < 0) continue;
      for (const [name, value] of Object.entries(found)) (samples[name] ??= []).push(value);
    }
  }
  return Object.assign({}, ...collected) as Samples;
}
