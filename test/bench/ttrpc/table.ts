import { alignColumns } from '../table.ts';
import type { Sample } from './pair.ts';

/** Medians of a case, by the name of the pair. */
export interface CaseResult {
  readonly name: string;
  readonly pairs: Readonly<Record<string, Sample>>;
}

/** Formats results: a line for each case and pair, with its ratio to Go. */
export function formatTable(results: readonly CaseResult[], reference: string): string {
  const rows = [
    ['case', 'pair', 'p50 µs', 'p99 µs', 'per second', 'CPU µs', 'p50 / Go', 'rate / Go', 'CPU / Go'],
  ];
  for (const { name, pairs } of results) {
    const go = pairs[reference];
    for (const [pair, sample] of Object.entries(pairs)) {
      const ratio = (key: keyof Sample): string =>
        go && go[key] > 0 ? (sample[key] / go[key]).toFixed(2) : '';
      const times = sample.p50 > 0 ? [sample.p50.toFixed(1), sample.p99.toFixed(1)] : ['', ''];
      const rates = [Math.round(sample.perSecond).toString(), sample.cpuPerCall.toFixed(1)];
      rows.push([name, pair, ...times, ...rates, ratio('p50'), ratio('perSecond'), ratio('cpuPerCall')]);
    }
  }
  return alignColumns(rows, { texts: [0, 1] }).join('\n');
}

/** Returns, of each value, the middle one. */
export function medianOf(samples: readonly Sample[]): Sample {
  const middle = (key: keyof Sample): number =>
    samples.map((sample) => sample[key]).toSorted((a, b) => a - b)[Math.floor(samples.length / 2)] ?? 0;
  return {
    p50: middle('p50'),
    p99: middle('p99'),
    perSecond: middle('perSecond'),
    count: middle('count'),
    cpuPerCall: middle('cpuPerCall'),
  };
}
