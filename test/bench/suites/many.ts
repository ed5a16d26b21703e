import { readdirSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Host } from '../../../src/index.ts';
import { toRows } from '../rows.ts';
import type { Suite } from '../suite.ts';
import { obtainVirtiofsds } from '../virtiofsds.ts';
import { openBenchHost, openWorkbench } from '../workbench.ts';

const SHARES = 100;

/** Many shares at once on one host: how long, what the event loop suffers, what a waiting share costs the host. */
export const many: Suite = {
  name: 'many',
  description: `${SHARES} shares at once: time, event-loop delay, the host's memory and descriptors`,
  async run({ isQuick, signal }) {
    const { found, notes } = await obtainVirtiofsds();
    const virtiofsd = found[0];
    if (!virtiofsd) return { rows: [], notes };
    await using stack = new AsyncDisposableStack();
    const workbench = stack.use(await openWorkbench());
    const host = stack.use(await openBenchHost(virtiofsd, workbench));
    await openAndClose(host, { shares: 10, source: workbench.source, signal }); // warm up
    const times: Record<string, number[]> = {};
    const memory: Record<string, number[]> = {};
    const descriptors: Record<string, number[]> = {};
    for (let round = 0; round < (isQuick ? 1 : 7); round++) {
      // oxlint-disable-next-line no-await-in-loop -- one round after the other
      const measured = await openAndClose(host, { shares: SHARES, source: workbench.source, signal });
      add(times, measured.times);
      add(memory, measured.memory);
      add(descriptors, measured.descriptors);
    }
    return {
      rows: [...toRows(times), ...toRows(memory, { unit: 'MiB' }), ...toRows(descriptors, { unit: 'count' })],
      notes: [`with the ${virtiofsd.label}; memory after a garbage collection, of the process that measures`],
    };
  },
};

interface Measured {
  readonly times: Record<string, number>;
  readonly memory: Record<string, number>;
  readonly descriptors: Record<string, number>;
}

async function openAndClose(
  host: Host,
  { shares, source, signal }: { shares: number; source: string; signal: AbortSignal },
): Promise<Measured> {
  await using opened = new AsyncDisposableStack();
  const before = observe();
  const loop = monitorEventLoopDelay({ resolution: 1 });
  await delay(20); // the monitor's first reading is of its own start
  loop.enable();
  const start = performance.now();
  const opening = Array.from({ length: shares }, async (_, index) =>
    opened.use(await host.openShare({ sandboxId: `bench-${index}`, tag: 'bench', source }, { signal })),
  );
  const all = await Promise.all(opening);
  const openedAt = performance.now();
  await Promise.all(all.map(({ ready }) => ready));
  const readyAt = performance.now();
  loop.disable();
  const during = observe();
  const closingAt = performance.now();
  await Promise.all(all.map((share) => share[Symbol.asyncDispose]()));
  const closedAt = performance.now();
  const after = observe();
  return {
    times: {
      'all opened': openedAt - start,
      'all ready': readyAt - start,
      'all closed': closedAt - closingAt,
      'event-loop delay, p99': loop.percentile(99) / 1e6,
      'event-loop delay, longest': loop.max / 1e6,
    },
    memory: {
      'resident memory, no share': before.residentMiB,
      [`resident memory, ${shares} shares`]: during.residentMiB,
      'resident memory, all closed': after.residentMiB,
      'heap in use, no share': before.heapMiB,
      [`heap in use, ${shares} shares`]: during.heapMiB,
      'heap in use, all closed': after.heapMiB,
    },
    descriptors: {
      'descriptors, no share': before.descriptors,
      [`descriptors, ${shares} shares`]: during.descriptors,
      'descriptors, all closed': after.descriptors,
    },
  };
}

function observe(): { residentMiB: number; heapMiB: number; descriptors: number } {
  collectGarbage();
  const { rss, heapUsed } = process.memoryUsage();
  return {
    residentMiB: rss / 2 ** 20,
    heapMiB: heapUsed / 2 ** 20,
    descriptors: readdirSync('/proc/self/fd').length - 1, // the listing's own
  };
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function add(samples: Record<string, number[]>, found: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(found)) (samples[name] ??= []).push(value);
}
