import { setTimeout as delay } from 'node:timers/promises';
import type { Share } from '../../../src/index.ts';
import { observeMemory, type Memory } from '../memory.ts';
import { toRows, type Samples } from '../rows.ts';
import type { Suite } from '../suite.ts';
import { observeTurns, type Turns } from '../turns.ts';
import { obtainVirtiofsds } from '../virtiofsds.ts';
import { openBenchHost, openWorkbench } from '../workbench.ts';

const [ALONE, BESIDE] = ['create, no share live', 'create, all live'];
/** For how long the machine is left alone before the next share, in milliseconds: what it needs is prepared then. */
const REST_MS = 50;

/** A burst of shares, and one more beside them: the event loop's turns, what a share costs the host, whether it slows the next. */
export const live: Suite = {
  name: 'live',
  description:
    '1,000 shares at once on one host: turns of its event loop, memory of each, one more beside them',
  async run({ isQuick, signal }) {
    const { found, notes } = await obtainVirtiofsds();
    const virtiofsd = found[0];
    if (!virtiofsd) return { rows: [], notes };
    await using stack = new AsyncDisposableStack();
    const workbench = stack.use(await openWorkbench());
    const host = stack.use(await openBenchHost(virtiofsd, workbench));
    const [count, creates] = isQuick ? [200, 10] : [1000, 50];
    const { source } = workbench;
    const open: Open = (sandboxId) => host.openShare({ sandboxId, tag: 'bench', source }, { signal });

    await closeAll(await openMany(open, { count: creates, prefix: 'warm-up' }));
    const alone = await timesOfEach(open, creates);
    const before = observeMemory();
    const opening = await observeTurns(() => openMany(open, { count, prefix: 'live' }));
    const memory = memoryOfEach(before, observeMemory(), count);
    const beside = await timesOfEach(open, creates);
    const closing = await observeTurns(() => closeAll(opening.result));
    return {
      rows: [
        ...toRows({ [BESIDE]: beside, [ALONE]: alone }, { peers: { [BESIDE]: ALONE } }),
        ...toRows({ ...turnSamples('opened', opening.turns), ...turnSamples('closed', closing.turns) }),
        ...toRows(memory, { unit: 'KiB' }),
      ],
      notes: [
        `${count} shares with the ${virtiofsd.label}; a turn of the event loop in processor time, a gap in wall time`,
        ...notes,
      ],
    };
  },
};

type Open = (sandboxId: string) => Promise<Share>;

function openMany(
  open: Open,
  { count, prefix }: { count: number; prefix: string },
): Promise<readonly Share[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const share = await open(`${prefix}-${index}`);
      await share.ready;
      return share;
    }),
  );
}

async function closeAll(shares: readonly Share[]): Promise<void> {
  await Promise.all(shares.map((share) => share[Symbol.asyncDispose]()));
}

/** One after the other, each closed before the next. */
async function timesOfEach(open: Open, count: number): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < count; index++) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await delay(REST_MS);
    const start = performance.now();
    // oxlint-disable-next-line no-await-in-loop
    await using share = await open(`one-${index}`);
    times.push(performance.now() - start);
    // oxlint-disable-next-line no-await-in-loop
    await share.ready;
  }
  return times;
}

const turnSamples = (what: string, { total, longest, longestGap }: Turns): Samples => ({
  [`all ${what} at once`]: [total],
  [`longest turn, all ${what} at once`]: [longest],
  [`longest gap, all ${what} at once`]: [longestGap],
});

const memoryOfEach = (before: Memory, after: Memory, count: number): Samples => ({
  'resident memory of each share': [((after.resident - before.resident) * 1024) / count],
  'heap in use of each share': [((after.heap - before.heap) * 1024) / count],
});
