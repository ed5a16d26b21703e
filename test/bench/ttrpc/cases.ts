/** What is measured: calls or, where there is a window, messages of one stream. */
export interface Case {
  readonly name: string;
  /** Echo has the payload both ways, Fetch in the answer alone. */
  readonly method: 'Echo' | 'Fetch';
  /** Bytes of payload. */
  readonly size: number;
  /** Calls in flight. */
  readonly inFlight: number;
  /** Messages on their way through a stream; 0 for calls. */
  readonly window: number;
  readonly durationMs: number;
}

/** What a client measured; times are in microseconds. */
export interface Measured {
  readonly p50: number;
  readonly p99: number;
  readonly perSecond: number;
  readonly count: number;
}

/** Everything, or what takes a few seconds. */
export function makeCases(quick: boolean): Case[] {
  const durationMs = quick ? 150 : 300;
  const calls = (size: number, inFlight: number): Case => {
    return { ...base, name: `${sizeName(size)} × ${inFlight}`, size, inFlight, durationMs };
  };
  const stream = (size: number, window: number): Case => {
    return { ...base, name: `stream ${sizeName(size)}, window ${window}`, size, window, durationMs };
  };
  if (quick) return [calls(100, 1), calls(100, 16), largeAnswers, stream(100, 32)];
  return [
    ...[0, 100, 4096].flatMap((size) => [1, 16, 64].map((inFlight) => calls(size, inFlight))),
    calls(1 << 20, 1),
    calls(1 << 20, 16),
    largeAnswers,
    stream(100, 1),
    stream(100, 32),
    stream(4096, 32),
  ];
}

/** What every pair does first, so that compilation is not measured. */
export function makeWarmUp(): Case[] {
  return [
    { ...base, name: 'warm up calls', durationMs: 500 },
    { ...base, name: 'warm up many calls', inFlight: 16, durationMs: 1000 },
    { ...base, name: 'warm up streams', window: 32, durationMs: 1000 },
  ];
}

/** Lasts long enough for several times as many answers as are in flight. */
const largeAnswers: Case = {
  name: 'answers of 1 MiB × 64',
  method: 'Fetch',
  size: 1 << 20,
  inFlight: 64,
  window: 0,
  durationMs: 1000,
};

/** Calls one at a time. */
const base = { method: 'Echo', size: 100, inFlight: 1, window: 0 } as const;

function sizeName(size: number): string {
  if (size >= 1 << 20) return `${size >> 20} MiB`;
  return size >= 1024 ? `${size >> 10} KiB` : `${size} B`;
}
