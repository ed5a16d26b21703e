import type { Host, Sandbox } from '../../../src/index.ts';
import { measureInTurn, toRows, type Contestants } from '../rows.ts';
import type { SuiteOptions, SuiteResult } from '../suite.ts';
import { timed } from '../timed.ts';
import type { Virtiofsd } from '../virtiofsds.ts';
import { openBenchHost, openWorkbench } from '../workbench.ts';
import { openBareMounts } from './bare-mounts.ts';
import { compareMany, type Growth } from './many.ts';
import { AT_ONCE, MOUNTS } from './sizes.ts';

/** Bind mounts in a share: against the same calls of mount(8) and umount(8) without a host, and many of them. */
export async function measureBinds(
  virtiofsd: Virtiofsd,
  { isQuick, signal }: SuiteOptions,
): Promise<SuiteResult> {
  await using stack = new AsyncDisposableStack();
  const workbench = stack.use(await openWorkbench());
  const { source, directory } = workbench;
  const host = stack.use(await openBenchHost(virtiofsd, workbench));
  const bare = stack.use(await openBareMounts(directory));
  const sandbox = await sandboxOf(host, 'one');
  let names = 0;
  const contestants: Contestants = {
    host: async () => {
      const request = { source, mountpoint: `/${names++}` };
      const mount = await timed(() => sandbox.mount('bench', request));
      const unmount = await timed(() => sandbox.unmount('bench', request.mountpoint));
      return { 'mount, host': mount, 'unmount, host': unmount };
    },
    bare: async () => ({
      'mount, bare': await timed(() => bare.mount(source, 0)),
      'unmount, bare': await timed(() => bare.unmount(0)),
    }),
  };
  const inTurn = await measureInTurn(contestants, { rounds: isQuick ? 10 : 100, warmUp: 5, signal });
  const growth: Growth = { samples: {}, peers: {} };
  const loop: Record<string, number[]> = {};
  for (let round = 0; round < (isQuick ? 1 : 5); round++) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await measureMany(host, { bare, source, round, growth, loop, signal });
  }
  const peers = { 'mount, host': 'mount, bare', 'unmount, host': 'unmount, bare' };
  return {
    rows: [...toRows(inTurn, { peers }), ...toRows(growth.samples, growth), ...toRows(loop)],
    notes: ['bare: the same two calls of mount(8) and the one of umount(8), by node:child_process'],
  };
}

async function sandboxOf(host: Host, sandboxId: string): Promise<Sandbox> {
  const contents = { shares: [{ tag: 'bench' }] };
  const sandbox = await host.sandboxes.create({
    namespace: 'default',
    sandboxId,
    owner: 'library',
    contents,
  });
  await sandbox.shares[0]?.ready;
  return sandbox;
}

async function measureMany(
  host: Host,
  options: {
    bare: Awaited<ReturnType<typeof openBareMounts>>;
    source: string;
    round: number;
    growth: Growth;
    loop: Record<string, number[]>;
    signal: AbortSignal;
  },
): Promise<void> {
  const { bare, source, round, growth, loop, signal } = options;
  const full = await sandboxOf(host, `full-${round}`);
  // One after the other: the mounts of the one would be in the kernel's table of the other.
  const host200 = { host: (index: number) => full.mount('bench', { source, mountpoint: `/${index}` }) };
  await compareMany(host200, { growth, signal });
  (loop[`${MOUNTS} mounts go with their share`] ??= []).push(
    await timed(() => host.sandboxes.delete('default', full.sandboxId)),
  );
  await compareMany({ bare: (index) => bare.mount(source, index) }, { growth, signal });
  // oxlint-disable-next-line no-await-in-loop -- one after the other
  for (let index = 0; index < MOUNTS; index++) await bare.unmount(index);
  const busy = await sandboxOf(host, `busy-${round}`);
  const { time, cpu } = await longestTurns(busy, source);
  (loop[`longest turn of the event loop, ${AT_ONCE} at once`] ??= []).push(time);
  (loop[`its most CPU time of a turn, ${AT_ONCE} at once`] ??= []).push(cpu);
  await host.sandboxes.delete('default', busy.sandboxId);
}

/** Of a turn of the event loop, in milliseconds: also what other processes of a busy machine take, and without it. */
async function longestTurns(sandbox: Sandbox, source: string): Promise<{ time: number; cpu: number }> {
  const longest = { time: 0, cpu: 0 };
  let isOver = false;
  let [startedAt, used] = [performance.now(), process.threadCpuUsage()];
  const turn = (): void => {
    const [now, cpu] = [performance.now(), process.threadCpuUsage()];
    longest.time = Math.max(longest.time, now - startedAt);
    longest.cpu = Math.max(longest.cpu, (cpu.user + cpu.system - used.user - used.system) / 1000);
    [startedAt, used] = [now, cpu];
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  const mounting = Array.from({ length: AT_ONCE }, (_, index) =>
    sandbox.mount('bench', { source, mountpoint: `/${index}` }),
  );
  await Promise.all(mounting);
  isOver = true;
  return longest;
}
