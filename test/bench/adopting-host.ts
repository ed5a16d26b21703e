// A host in a process of its own, which does what its input says and answers each line with one line of JSON.
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { serve, type Host } from '../../src/index.ts';
// Loaded with the rest: that takes its time also where there is nothing to adopt.
// oxlint-disable-next-line import/no-unassigned-import
import '../../plugin/virtiofs/index.ts';
import { observeTurns, type Turns } from './turns.ts';
import { openBenchHost } from './workbench.ts';

/** What a host did until it had adopted all that another one left. Times are of the machine's monotonic clock. */
export interface Adoption extends Turns {
  readonly announcedAt: string;
  readonly adoptedAt: string;
  /** The processor time of the process until then, in milliseconds. */
  readonly processorMs: number;
  /** Of the daemons, in the order of their sandboxes. */
  readonly pids: readonly number[];
}

const [path = '', dialect, directory = '', source = ''] = process.argv.slice(2);
const virtiofsd = { path, dialect: dialect === 'c' ? 'c' : 'rust' } as const;

async function adopt(): Promise<{ host: Host; adoption: Adoption }> {
  const { result, turns } = await observeTurns(async () => {
    const host = await openBenchHost(virtiofsd, { directory }, 'outlive-process');
    await serve(host);
    const announcedAt = String(process.hrtime.bigint());
    await host.adopted;
    return { host, announcedAt, adoptedAt: String(process.hrtime.bigint()) };
  });
  const { host, ...times } = result;
  return { host, adoption: { ...turns, ...times, processorMs: processorMs(), pids: pidsOf(host) } };
}

const pidsOf = (host: Host): number[] =>
  host.sandboxes
    .list()
    .toSorted((a, b) => a.sandboxId.localeCompare(b.sandboxId))
    .flatMap(({ shares }) => shares.map(({ pid }) => pid));

function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

const { host, adoption } = await adopt();

const actions: Record<string, (count: number) => Promise<unknown>> = {
  adoption: async () => adoption,
  async open(shares) {
    const names = Array.from({ length: shares }, (_, index) => `adopted-${index}`);
    const opened = await Promise.all(
      names.map((sandboxId) => host.openShare({ sandboxId, tag: 'bench', source })),
    );
    await Promise.all(opened.map(({ ready }) => ready));
    return pidsOf(host);
  },
  /** The processor time of so many seconds without a call, in milliseconds, and the memory behind them, in KiB. */
  async idle(seconds) {
    const before = processorMs();
    await delay(seconds * 1000);
    return { processorMs: processorMs() - before, residentKib: process.memoryUsage().rss / 1024 };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const [action = '', count] = line.split(' ');
  if (action === 'die') process.kill(process.pid, 'SIGKILL');
  console.log(JSON.stringify(await actions[action]?.(Number(count))));
}
// Its daemons are its children, and stay.
process.exit();
