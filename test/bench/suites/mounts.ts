import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Sandbox } from '../../../src/index.ts';
import { ensurePropagation, releasePropagation } from '../../../src/mount/propagation.ts';
import { measureInTurn, toRows, type Contestants } from '../rows.ts';
import type { Suite } from '../suite.ts';
import { obtainVirtiofsds } from '../virtiofsds.ts';
import { openBenchHost, openWorkbench } from '../workbench.ts';

/** How many are mounted in one share. */
const MOUNTS = 200;
/** How many are mounted at once while the event loop is watched. */
const AT_ONCE = 100;
/** How many of the first and of the last are compared. */
const COMPARED = 20;

const run = promisify(execFile);

/** Bind mounts in a share: against the same calls of mount(8) and umount(8) without a host, and many of them. */
export const mounts: Suite = {
  name: 'mounts',
  description: `bind mounts in a share, against bare mount(8); ${MOUNTS} in one share; the event loop meanwhile`,
  async run({ isQuick, signal }) {
    const { found, notes } = await obtainVirtiofsds();
    const virtiofsd = found[0];
    if (!virtiofsd) return { rows: [], notes };
    await using stack = new AsyncDisposableStack();
    const workbench = stack.use(await openWorkbench());
    const { source, directory } = workbench;
    const host = stack.use(await openBenchHost(virtiofsd, workbench));
    const bare = stack.use(await openBare(directory));
    let names = 0;
    const sandboxOf = async (sandboxId: string): Promise<Sandbox> => {
      const contents = { shares: [{ tag: 'bench' }] };
      const sandbox = await host.sandboxes.create({
        namespace: 'default',
        sandboxId,
        owner: 'library',
        contents,
      });
      await sandbox.shares[0]?.ready;
      return sandbox;
    };
    const sandbox = await sandboxOf('one');
    const contestants: Contestants = {
      host: async () => {
        const request = { source, mountpoint: `/${names++}` };
        const mount = await timed(() => sandbox.mount('bench', request));
        const unmount = await timed(() => sandbox.unmount('bench', request.mountpoint));
        return { 'mount, host': mount, 'unmount, host': unmount };
      },
      bare: async () => ({
        'mount, bare': await timed(() => bare.mount(source)),
        'unmount, bare': await timed(() => bare.unmount()),
      }),
    };
    const rounds = isQuick ? 10 : 100;
    const inTurn = await measureInTurn(contestants, { rounds, warmUp: 5, signal });
    const many: Record<string, number[]> = {};
    const loop: Record<string, number[]> = {};
    for (let round = 0; round < (isQuick ? 1 : 5); round++) {
      signal.throwIfAborted();
      const full = await sandboxOf(`full-${round}`);
      const times: number[] = [];
      for (let index = 0; index < MOUNTS; index++)
        times.push(await timed(() => full.mount('bench', { source, mountpoint: `/${index}` })));
      (many[`the first ${COMPARED} of ${MOUNTS}`] ??= []).push(...times.slice(0, COMPARED));
      (many[`the last ${COMPARED} of ${MOUNTS}`] ??= []).push(...times.slice(-COMPARED));
      (loop[`${MOUNTS} mounts go with their share`] ??= []).push(
        await timed(() => host.sandboxes.delete('default', full.sandboxId)),
      );
      const busy = await sandboxOf(`busy-${round}`);
      const { time, cpu } = await longestTurns(busy, source);
      (loop[`longest turn of the event loop, ${AT_ONCE} at once`] ??= []).push(time);
      (loop[`its most CPU time of a turn, ${AT_ONCE} at once`] ??= []).push(cpu);
      await host.sandboxes.delete('default', busy.sandboxId);
    }
    const manyPeers = { [`the last ${COMPARED} of ${MOUNTS}`]: `the first ${COMPARED} of ${MOUNTS}` };
    const peers = { 'mount, host': 'mount, bare', 'unmount, host': 'unmount, bare' };
    return {
      rows: [...toRows(inTurn, { peers }), ...toRows(many, { peers: manyPeers }), ...toRows(loop)],
      notes: ['bare: the same two calls of mount(8) and the one of umount(8), by node:child_process'],
    };
  },
};

interface Bare extends AsyncDisposable {
  mount(source: string): Promise<void>;
  unmount(): Promise<void>;
}

async function openBare(directory: string): Promise<Bare> {
  const [shared, stage] = ['bare-shared', 'bare-stage'].map((name) => join(directory, name)) as [
    string,
    string,
  ];
  const target = join(shared, 'target');
  for (const path of [shared, stage, target]) mkdirSync(path);
  await ensurePropagation(shared, 'shared');
  return {
    async mount(source) {
      await run('mount', ['--rbind', '--make-rprivate', '--no-canonicalize', source, stage]);
      await run('mount', ['--move', '--no-canonicalize', stage, target]);
    },
    unmount: async () => void (await run('umount', ['--recursive', '--no-canonicalize', target])),
    [Symbol.asyncDispose]: () => releasePropagation(shared),
  };
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

async function timed(action: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await action();
  return performance.now() - start;
}
