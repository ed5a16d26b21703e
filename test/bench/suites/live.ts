import { setTimeout as delay } from 'node:timers/promises';
import type { Host } from '../../../src/index.ts';
import { gapOf } from '../event-loop-gap.ts';
import { toRows } from '../rows.ts';
import type { Suite } from '../suite.ts';
import { obtainVirtiofsds } from '../virtiofsds.ts';
import { openBenchHost, openWorkbench } from '../workbench.ts';

const [ALONE, BESIDE] = ['create, no share live', 'create, all live'];

/** A burst of shares, and one more beside them: the event loop's gaps, what a share costs the host, whether it slows the next. */
export const live: Suite = {
  name: 'live',
  description: '1,000 shares on one host: gaps of a burst, one more beside them, the memory of each',
  async run({ isQuick, signal }) {
    const { found, notes } = await obtainVirtiofsds();
    const virtiofsd = found[0];
    if (!virtiofsd) return { rows: [], notes };
    await using stack = new AsyncDisposableStack();
    const workbench = stack.use(await openWorkbench());
    const { source } = workbench;
    const host = stack.use(await openBenchHost(virtiofsd, workbench));
    const [shares, creates] = isQuick ? [200, 10] : [1000, 50];
    const one = (sandboxId: string): ReturnType<Host['openShare']> =>
      host.openShare({ sandboxId, tag: 'bench', source }, { signal });
    const createSome = async (): Promise<number[]> => {
      const times: number[] = [];
      for (let count = 0; count < creates; count++) {
        const start = performance.now();
        // oxlint-disable-next-line no-await-in-loop -- one after the other
        await using share = await one(`one-${count}`);
        times.push(performance.now() - start);
        // oxlint-disable-next-line no-await-in-loop
        await share.ready;
        // oxlint-disable-next-line no-await-in-loop -- the next is prepared
        await delay(50);
      }
      return times;
    };
    await createSome(); // warm up
    const alone = await createSome();
    const before = process.memoryUsage().rss;
    const opening = await gapOf(() =>
      Promise.all(
        Array.from({ length: shares }, async (_, index) => {
          const share = await one(`live-${index}`);
          await share.ready;
          return share;
        }),
      ),
    );
    const kibEach = (process.memoryUsage().rss - before) / 1024 / shares;
    const beside = await createSome();
    const closing = await gapOf(() =>
      Promise.all(opening.result.map((share) => share[Symbol.asyncDispose]())),
    );
    const gaps = {
      'longest gap, all opened at once': [opening.gap],
      'longest gap, all opened at once, processor time': [opening.work],
      'longest gap, all closed at once': [closing.gap],
      'longest gap, all closed at once, processor time': [closing.work],
    };
    return {
      rows: [
        ...toRows({ [BESIDE]: beside, [ALONE]: alone }, { peers: { [BESIDE]: ALONE } }),
        ...toRows(gaps),
        ...toRows({ 'resident memory of each share, KiB': [kibEach] }, { unit: 'count' }),
      ],
      notes: [`${shares} shares with the ${virtiofsd.label}`, ...notes],
    };
  },
};
