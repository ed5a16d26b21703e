/** What a set of measurements comes to. */
export interface Summary {
  readonly n: number;
  readonly median: number;
  readonly p95: number;
}

/** Returns the middle of `values`, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = inOrder(values);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

/** Returns the smallest of `values` that `share` of them (0 to 1) do not exceed: the nearest rank, never a made-up one. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = inOrder(values);
  const rank = Math.ceil(share * sorted.length);
  return sorted[Math.min(Math.max(rank, 1), sorted.length) - 1] as number;
}

/** Returns number, median and 95th percentile. */
export function summarize(values: readonly number[]): Summary {
  return { n: values.length, median: median(values), p95: percentile(values, 0.95) };
}

/** Returns how many times the median of `peer` the median of `values` is. */
export function ratio(values: readonly number[], peer: readonly number[]): number {
  return median(values) / median(peer);
}

function inOrder(values: readonly number[]): number[] {
  if (values.length === 0) throw new RangeError('Cannot summarize no measurements');
  return values.toSorted((one, other) => one - other);
}
