import { readdirSync } from 'node:fs';
import type { Host } from '../../../src/index.ts';
import { observeMemory, type Memory } from '../memory.ts';
import { toRows } from '../rows.ts';
import type { Suite } from '../suite.ts';
import { observeTurns } from '../turns.ts';
import { obtainVirtiofsds } from '../virtiofsds.ts';
import { openBenchHost, openWorkbench } from '../workbench.ts';

const SHARES = 100;

/** Many shares at once on one host: how long, what the event loop suffers, what a waiting share costs the host. */
export const many: Suite = {
  name: 'many',
  description: `${SHARES} shares at once: time, turns of the event loop, the host's memory and descriptors`,
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
      notes: [
        `with the ${virtiofsd.label}; memory after a garbage collection, of the process that measures; ` +
          'a turn of the event loop in processor time, a gap in wall time',
      ],
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
  let openedIn = 0;
  const opening = await observeTurns(async () => {
    const start = performance.now();
    const all = await Promise.all(
      Array.from({ length: shares }, async (_, index) =>
        opened.use(await host.openShare({ sandboxId: `bench-${index}`, tag: 'bench', source }, { signal })),
      ),
    );
    openedIn = performance.now() - start;
    await Promise.all(all.map(({ ready }) => ready));
    return all;
  });
  const during = observe();
  const closing = await observeTurns(() =>
    Promise.all(opening.result.map((share) => share[Symbol.asyncDispose]())),
  );
  const after = observe();
  return {
    times: {
      'all opened': openedIn,
      'all ready': opening.turns.total,
      'longest turn until all are ready': opening.turns.longest,
      'longest gap until all are ready': opening.turns.longestGap,
      'all closed': closing.turns.total,
      'longest turn until all are closed': closing.turns.longest,
      'longest gap until all are closed': closing.turns.longestGap,
    },
    memory: {
      'resident memory, no share': before.resident,
      [`resident memory, ${shares} shares`]: during.resident,
      'resident memory, all closed': after.resident,
      'heap in use, no share': before.heap,
      [`heap in use, ${shares} shares`]: during.heap,
      'heap in use, all closed': after.heap,
    },
    descriptors: {
      'descriptors, no share': before.descriptors,
      [`descriptors, ${shares} shares`]: during.descriptors,
      'descriptors, all closed': after.descriptors,
    },
  };
}

// Less the listing's own.
const observe = (): Memory & { descriptors: number } => ({
  ...observeMemory(),
  descriptors: readdirSync('/proc/self/fd').length - 1,
});

function add(samples: Record<string, number[]>, found: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(found)) (samples[name] ??= []).push(value);
}
