/** One way to the first read. */
export interface Run {
  readonly answer: string;
  /** From the beginning until the image was mounted, in milliseconds. */
  readonly mountedMs: number;
  /** From the beginning until the guest had read its file, in milliseconds. */
  readonly readMs: number;
  /** What the registry sent. */
  readonly bytes: number;
}

/** A table of both ways. */
export function describeRun({
  imageBytes,
  lazy,
  full,
}: {
  imageBytes: number;
  lazy: Run;
  full: Run;
}): string {
  const row = (name: string, { mountedMs, readMs, bytes }: Run): string =>
    [
      name.padEnd(16),
      `mounted after ${Math.round(mountedMs)} ms`.padEnd(24),
      `read after ${Math.round(readMs)} ms`.padEnd(22),
      `${megabytes(bytes)} fetched (${((100 * bytes) / imageBytes).toFixed(1)} % of the image)`,
    ].join('');
  return [
    `image: ${megabytes(imageBytes)} in the registry`,
    row('lazily', lazy),
    row('all of it first', full),
  ].join('\n');
}

/** Bytes for a person. */
export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
