import { existsSync, openSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { connect, createClient } from 'ttrpc-ts';
import { Shares } from '../../../src/proto/share/shares_pb.ts';
import { openCaller, type Caller } from '../caller.ts';
import { toRows } from '../rows.ts';
import type { Suite } from '../suite.ts';
import { obtainVirtiofsds, virtiofsdConfigTable, type Virtiofsd } from '../virtiofsds.ts';
import { openBenchHost, openWorkbench, type Workbench } from '../workbench.ts';

const main = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));

/** How long calls go on before and after what is measured, in milliseconds. */
const AROUND_MS = 300;

/** A host follows another one while calls come: the longest that one of them waits. */
export const takeOver: Suite = {
  name: 'take-over',
  description:
    'calls every 5 ms and creates every 50 ms while a host takes over, or is restarted: the longest wait',
  async run({ isQuick, signal }) {
    const { found, notes } = await obtainVirtiofsds();
    const virtiofsd = found[0];
    if (!virtiofsd) return { rows: [], notes };
    await using stack = new AsyncDisposableStack();
    const workbench = stack.use(await openWorkbench());
    stack.defer(() => closeAll(virtiofsd, workbench));
    const node = await prepare(virtiofsd, workbench);
    const [rounds, many] = isQuick ? [2, 20] : [7, 100];
    const times: Record<string, number[]> = {};
    const repeated: Record<string, number[]> = {};
    let host = await start(node);
    stack.defer(() => stop(host));
    for (const shares of [0, many]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await openMany(node, shares);
      for (let round = 0; round < rounds; round++) {
        for (const [what, follow] of Object.entries(WAYS)) {
          signal.throwIfAborted();
          const [calls, creates] = [openCaller(node, 'ask'), openCaller(node, 'create')];
          // oxlint-disable-next-line no-await-in-loop
          host = await during([calls, creates], () => follow(node, host));
          (times[`${what}, ${shares} shares: longest call`] ??= []).push(calls.longest);
          (times[`${what}, ${shares} shares: longest create`] ??= []).push(creates.longest);
          (repeated[`${what}, ${shares} shares: calls that came again`] ??= []).push(calls.repeated);
        }
      }
    }
    return {
      rows: [...toRows(times), ...toRows(repeated, { unit: 'count' })],
      notes: [`shares with the ${virtiofsd.label}; a checkout's hosts, which are no bundles`, ...notes],
    };
  },
};

/** A configuration, and what a caller of its host needs. */
interface BenchNode extends Pick<Workbench, 'source'> {
  readonly config: string;
  readonly state: string;
  readonly address: string;
}

interface HostProcess {
  readonly pid: number;
  readonly ended: Promise<unknown>;
}

type Follow = (node: BenchNode, former: HostProcess) => Promise<HostProcess>;

const WAYS: Readonly<Record<string, Follow>> = {
  'nothing happens': async (_, former) => former,
  'taken over': async (node, former) => {
    const host = await start(node, '--take-over');
    await former.ended;
    return host;
  },
  restarted: async (node, former) => {
    await stop(former);
    return start(node);
  },
};

async function prepare(virtiofsd: Virtiofsd, { directory, source }: Workbench): Promise<BenchNode> {
  const state = join(directory, `state-${virtiofsd.dialect}`);
  const config = join(directory, 'config.toml');
  const table = Object.entries(virtiofsdConfigTable(virtiofsd)).map(
    ([name, values]) =>
      `[plugins."${name}"]\n${Object.entries(values)
        .map(([key, value]) => `${key} = ${JSON.stringify(value)}`)
        .join('\n')}\n`,
  );
  await writeFile(config, `version = 1\nstate = "${state}"\nscratch_dir = "${state}"\n${table.join('')}`);
  return { source, config, state, address: join(state, 'host.sock') };
}

/** Starts a host, and resolves when it is the one that serves. */
async function start({ config, state }: BenchNode, ...args: string[]): Promise<HostProcess> {
  // execa takes any descriptor; its types name only the first ten.
  const log = openSync(`${state}.log`, 'a');
  const host = execa(process.execPath, ['--no-warnings', main, 'serve', '-c', config, ...args], {
    stdin: 'ignore',
    stdout: log as 1,
    stderr: log as 2,
    reject: false,
    detached: true,
    cleanup: false,
  });
  const pid = host.pid ?? 0;
  const isFound = async (): Promise<boolean> =>
    existsSync(join(state, 'host.pid')) &&
    (await readFile(join(state, 'host.pid'), 'utf8').catch(() => '')).startsWith(`${pid} `);
  // oxlint-disable-next-line no-await-in-loop -- a poll
  while (!(await isFound())) await delay(2);
  return { pid, ended: host };
}

async function stop({ pid, ended }: HostProcess): Promise<void> {
  process.kill(pid, 'SIGTERM');
  await ended;
}

async function during<T>(callers: readonly Caller[], action: () => Promise<T>): Promise<T> {
  await delay(AROUND_MS);
  const result = await action();
  await delay(AROUND_MS);
  await Promise.all(callers.map((caller) => caller.end()));
  return result;
}

async function openMany({ address, source }: BenchNode, count: number): Promise<void> {
  await using transport = await connect({ path: address });
  const shares = createClient(Shares, transport);
  const names = Array.from({ length: count }, (_, index) => `live-${index}`);
  await Promise.all(names.map((sandboxId) => shares.open({ sandboxId, tag: 'bench', source })));
}

/** Ends every daemon. */
async function closeAll(virtiofsd: Virtiofsd, workbench: Workbench): Promise<void> {
  await using host = await openBenchHost(virtiofsd, workbench);
  await host.adopted;
}
