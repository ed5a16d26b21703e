import { createInterface } from 'node:readline';
import type { Case, Measured } from './cases.ts';

/** How a client makes what is measured. */
export interface Driver {
  /** Makes one call and resolves when it is answered. */
  call(size: number): Promise<unknown>;
  /** Does so for an answer of this size to a small request. */
  fetch?(size: number): Promise<unknown>;
  /** Passes messages through a stream that echoes, a window of them at a time, and resolves to their number. */
  stream?(options: { size: number; window: number; until: number }): Promise<number>;
  close(): Promise<void>;
}

/** Measures the cases that standard input lists, one JSON a line, and answers each with a line. */
export async function drive(driver: Driver): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const each = JSON.parse(line) as Case;
    const measured = each.window > 0 ? await measureStream(driver, each) : await measureCalls(driver, each);
    process.stdout.write(`${JSON.stringify(measured)}\n`);
  }
  await driver.close();
}

async function measureCalls(driver: Driver, { method, size, inFlight, durationMs }: Case): Promise<Measured> {
  const times: number[] = [];
  const start = performance.now();
  const end = start + durationMs;
  const one = async (): Promise<void> => {
    for (let before = performance.now(); before < end;) {
      await (method === 'Fetch' ? driver.fetch?.(size) : driver.call(size));
      const after = performance.now();
      times.push((after - before) * 1000);
      before = after;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, one));
  const perSecond = (times.length / (performance.now() - start)) * 1000;
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.floor(share * (times.length - 1))] ?? 0;
  return { p50: at(0.5), p99: at(0.99), perSecond, count: times.length };
}

async function measureStream(driver: Driver, { size, window, durationMs }: Case): Promise<Measured> {
  const start = performance.now();
  const count = (await driver.stream?.({ size, window, until: start + durationMs })) ?? 0;
  return { p50: 0, p99: 0, perSecond: (count / (performance.now() - start)) * 1000, count };
}

/** Makes a stream's input, which keeps a window of messages on their way. */
export function makeWindow<T>(options: WindowOptions<T>): Window<T> {
  const state: WindowState = { onItsWay: 0, wake: undefined };
  return {
    input: fillWindow(options, state),
    gotBack() {
      state.onItsWay--;
      state.wake?.();
      state.wake = undefined;
    },
  };
}

/** A stream's input and what lets it go on. */
export interface Window<T> {
  readonly input: AsyncIterable<T>;
  gotBack(): void;
}

interface WindowOptions<T> {
  readonly message: T;
  readonly window: number;
  readonly until: number;
}

interface WindowState {
  onItsWay: number;
  wake: (() => void) | undefined;
}

async function* fillWindow<T>(
  { message, window, until }: WindowOptions<T>,
  state: WindowState,
): AsyncGenerator<T> {
  while (performance.now() < until) {
    while (state.onItsWay >= window) await new Promise<void>((resolve) => (state.wake = resolve));
    state.onItsWay++;
    yield message;
  }
}

/** Returns what makes one payload of each size, so that making it is not measured. */
export function cachePayloads<T>(make: (size: number) => T): (size: number) => T {
  const made = new Map<number, T>();
  return (size) => {
    let payload = made.get(size);
    if (payload === undefined) made.set(size, (payload = make(size)));
    return payload;
  };
}
