import { fileURLToPath } from 'node:url';
import type { Adoption } from '../adopting-host.ts';
import { startLineProcess, type LineProcess } from '../line-process.ts';
import { toRows } from '../rows.ts';
import type { Suite } from '../suite.ts';
import { obtainVirtiofsds, type Virtiofsd } from '../virtiofsds.ts';
import { openBenchHost, openWorkbench, type Workbench } from '../workbench.ts';

const program = fileURLToPath(new URL('../adopting-host.ts', import.meta.url));

/** A host is killed that has many shares; the next one adopts them, is killed in its turn, and so on. */
export const adoption: Suite = {
  name: 'adoption',
  description: '1,000 shares of a host that was killed: the time until the next one has them, gaps, watching',
  async run({ isQuick, signal }) {
    const { found, notes } = await obtainVirtiofsds();
    const virtiofsd = found[0];
    if (!virtiofsd) return { rows: [], notes };
    await using stack = new AsyncDisposableStack();
    const workbench = stack.use(await openWorkbench());
    stack.defer(() => closeAll(virtiofsd, workbench));
    const [shares, rounds, seconds] = isQuick ? [200, 2, 2] : [1000, 7, 20];

    const first = startHost(virtiofsd, workbench);
    const nothing = await ask<Adoption>(first, 'adoption');
    const empty = await ask<Idle>(first, `idle ${seconds}`);
    const pids = await ask<number[]>(first, `open ${shares}`);
    await die(first);
    const times: Record<string, number[]> = {
      "the host's processor time, nothing to adopt": [nothing.processorMs],
      'longest turn, nothing to adopt': [nothing.longest],
    };
    const add = (name: string, value: number): void => void (times[name] ??= []).push(value);
    let [other, adopted] = [0, empty];
    for (let round = 0; round < rounds; round++) {
      signal.throwIfAborted();
      const begin = process.hrtime.bigint();
      const host = startHost(virtiofsd, workbench);
      // oxlint-disable-next-line no-await-in-loop -- one host after the other
      const done = await ask<Adoption>(host, 'adoption');
      add('from exec until announced', toMs(BigInt(done.announcedAt) - begin));
      add('from exec until all adopted', toMs(BigInt(done.adoptedAt) - begin));
      add('from announced until all adopted', toMs(BigInt(done.adoptedAt) - BigInt(done.announcedAt)));
      add("the host's processor time until all adopted", done.processorMs);
      add('longest turn', done.longest);
      add('longest gap', done.longestGap);
      other += pids.filter((pid, index) => done.pids[index] !== pid).length;
      // oxlint-disable-next-line no-await-in-loop
      if (round === rounds - 1) adopted = await ask<Idle>(host, `idle ${seconds}`);
      // oxlint-disable-next-line no-await-in-loop
      await die(host);
    }
    const watching = {
      'processor time of a second, no share': [empty.processorMs / seconds],
      'processor time of a second, all adopted': [adopted.processorMs / seconds],
    };
    const counts = {
      'shares that are another process, or none': [other],
      'resident memory of each share, KiB': [(adopted.residentKib - empty.residentKib) / shares],
    };
    return {
      rows: [...toRows(times), ...toRows(watching), ...toRows(counts, { unit: 'count' })],
      notes: [
        `${shares} shares with the ${virtiofsd.label}; a checkout's host, which is no bundle`,
        ...notes,
      ],
    };
  },
};

interface Idle {
  readonly processorMs: number;
  readonly residentKib: number;
}

const startHost = ({ path, dialect }: Virtiofsd, { directory, source }: Workbench): LineProcess =>
  startLineProcess(process.execPath, [program, path, dialect, directory, source]);

const ask = async <T>(host: LineProcess, line: string): Promise<T> => JSON.parse(await host.ask(line)) as T;

/** Kills a host. */
async function die(host: LineProcess): Promise<void> {
  await host.ask('die').catch(() => {}); // it gives no answer
  await host[Symbol.asyncDispose]();
}

/** Ends every daemon. */
async function closeAll(virtiofsd: Virtiofsd, workbench: Workbench): Promise<void> {
  await using host = await openBenchHost(virtiofsd, workbench);
  await host.adopted;
}

const toMs = (nanoseconds: bigint): number => Number(nanoseconds) / 1e6;
