import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { connect, createClient } from 'ttrpc-ts';
import { Shares } from '../../../src/proto/share/shares_pb.ts';
import { LIBRARY_DIRECTORY, makeNodeTree } from '../../setup/release/node-tree.ts';
import { openFirstCreate } from '../first-create.ts';
import { measureInTurn, toRows, type Contestants, type Samples } from '../rows.ts';
import { residentMiB, startAnnounced, type ServeCommand } from '../serve-command.ts';
import type { Suite } from '../suite.ts';
import { obtainVirtiofsds, virtiofsdConfigTable, type Virtiofsd } from '../virtiofsds.ts';
import { openWorkbench, type Workbench } from '../workbench.ts';

const BARE = 'bare Node.js prints a line';
const MEMORY = ': resident memory';
const main = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));

/** From exec until a host announces itself, and what it takes then: the checkout's beside the one that a node gets. */
export const start: Suite = {
  name: 'start',
  description: "a host's start and memory, the first create, size on disk: checkout and release",
  async run({ isQuick, signal }) {
    const { found, notes } = await obtainVirtiofsds();
    const virtiofsd = found[0];
    if (!virtiofsd) return { rows: [], notes };
    await using workbench = await openWorkbench();
    const tree = join(workbench.directory, 'tree');
    await makeNodeTree(tree, { version: '0.0.0', nodeBinary: process.execPath });
    const commands = commandsOf({ tree, cache: join(workbench.directory, 'cache') }, virtiofsd);
    const announced = await measureInTurn(
      { [BARE]: bareNode, ...announcing(commands, workbench.directory) },
      { rounds: isQuick ? 2 : 21, warmUp: 1, signal },
    );
    const created = await firstCreates(tree, commands, { isQuick, signal });
    const { checkout, 'release, cached': release } = commands;
    const many: Record<string, number[]> = {};
    for (const [name, command] of Object.entries({ checkout, 'release, cached': release }))
      // oxlint-disable-next-line no-await-in-loop -- one host after the other
      Object.assign(many, await memoryOfShares({ name, command }, workbench, { isQuick, signal }));
    const times = { ...only(announced, { isMemory: false }), ...created };
    const resident = { ...only(announced, { isMemory: true }), ...many };
    return {
      rows: [
        ...toRows(times, { peers: peersOf(times, BARE) }),
        ...toRows(resident, { unit: 'MiB', peers: peersOf(resident, BARE + MEMORY) }),
        ...toRows(await sizesOf(tree), { unit: 'MiB' }),
      ],
      notes: [
        `with the ${virtiofsd.label}; the release is the tree that the packages for nodes contain, started by its command`,
        'cached: with a compile cache that an earlier start has filled; first create is Controller.Create of containerd 2.4.2',
        ...notes,
      ],
    };
  },
};

type Commands = Readonly<
  Record<
    'checkout' | 'release' | 'release, cached' | 'release, cached, traced' | 'release, cached, [grpc]',
    ServeCommand
  >
>;

function commandsOf({ tree, cache }: { tree: string; cache: string }, virtiofsd: Virtiofsd): Commands {
  const table = Object.entries(virtiofsdConfigTable(virtiofsd))
    .map(
      ([name, values]) =>
        `[plugins."${name}"]\nvirtio_fs_daemon = ${JSON.stringify(values['virtio_fs_daemon'])}\n`,
    )
    .join('');
  const command = [join(tree, 'usr/bin/shim-virtiofs')] as const;
  const uncached = { NODE_DISABLE_COMPILE_CACHE: '1' };
  const cached = { command, env: { NODE_COMPILE_CACHE: cache } };
  return {
    checkout: { command: [process.execPath, '--no-warnings', main], env: uncached, config: table },
    release: { command, env: uncached, config: table },
    'release, cached': { ...cached, config: table },
    // Nobody collects there.
    'release, cached, traced': { ...cached, config: `[trace]\nendpoint = "http://127.0.0.1:9"\n${table}` },
    'release, cached, [grpc]': { ...cached, config: `[grpc]\n${table}` },
  };
}

const announcing = (commands: Readonly<Record<string, ServeCommand>>, directory: string): Contestants =>
  Object.fromEntries(
    Object.entries(commands).map(([name, command]) => [
      name,
      async () => {
        await using host = await startAnnounced(command, directory);
        return { [`${name}: announced`]: host.announcedIn, [name + MEMORY]: await host.residentMemory() };
      },
    ]),
  );

async function firstCreates(
  tree: string,
  { 'release, cached': { env = {} } }: Commands,
  { isQuick, signal }: { isQuick: boolean; signal: AbortSignal },
): Promise<Samples> {
  await using checkout = await openFirstCreate({});
  await using release = await openFirstCreate({ shimDirectory: join(tree, 'usr/bin'), env });
  return await measureInTurn(
    {
      checkout: async () => ({ 'checkout: first create': await checkout.measure() }),
      release: async () => ({ 'release, cached: first create': await release.measure() }),
    },
    { rounds: isQuick ? 2 : 11, warmUp: 1, signal },
  );
}

/** It waits for the end of its input, so that its memory can be looked at. */
async function bareNode(): Promise<Record<string, number>> {
  const begin = performance.now();
  const program = "console.log('there'); process.stdin.resume()";
  const node = execa(process.execPath, ['--no-warnings', '-e', program], { stdin: 'pipe', buffer: false });
  const { promise, resolve } = Promise.withResolvers<number>();
  node.stdout.once('data', () => resolve(performance.now() - begin));
  const printed = await promise;
  const resident = await residentMiB(node.pid ?? 0);
  node.stdin.end();
  await node;
  return { [BARE]: printed, [BARE + MEMORY]: resident };
}

/** What a host takes as its shares become more. */
async function memoryOfShares(
  { name, command }: { name: string; command: ServeCommand },
  { directory, source }: Workbench,
  { isQuick, signal }: { isQuick: boolean; signal: AbortSignal },
): Promise<Record<string, number[]>> {
  await using host = await startAnnounced(command, directory);
  await using transport = await connect({ path: host.address });
  const shares = createClient(Shares, transport);
  const found: Record<string, number[]> = {};
  const ids: string[] = [];
  try {
    for (const count of isQuick ? [10, 20] : [100, 1000]) {
      const more = Array.from({ length: count - ids.length }, (_, index) => `bench-${ids.length + index}`);
      ids.push(...more);
      const open = (sandboxId: string): Promise<unknown> =>
        shares.open({ sandboxId, tag: 'bench', source }, { signal });
      // oxlint-disable-next-line no-await-in-loop -- as a node fills
      await Promise.all(more.map(open));
      // oxlint-disable-next-line no-await-in-loop
      found[`${name}${MEMORY}, ${count} shares`] = [await host.residentMemory()];
    }
  } finally {
    await Promise.all(ids.map((sandboxId) => shares.close({ sandboxId })));
  }
  return found;
}

async function sizesOf(tree: string): Promise<Record<string, number[]>> {
  const library = join(tree, LIBRARY_DIRECTORY);
  const [all, node] = await Promise.all([diskMiB(tree), diskMiB(join(library, 'bin'))]);
  return { 'release: size on disk': [all], 'release: without its Node.js': [all - node] };
}

const diskMiB = async (path: string): Promise<number> =>
  Number((await execa('du', ['-sk', path])).stdout.split('\t')[0]) / 1024;

const only = (samples: Samples, { isMemory }: { isMemory: boolean }): Samples =>
  Object.fromEntries(Object.entries(samples).filter(([name]) => name.endsWith(MEMORY) === isMemory));

const peersOf = (samples: Samples, peer: string): Record<string, string> =>
  Object.fromEntries(
    Object.keys(samples)
      .map((name) => [name, peer])
      .filter(([name]) => name !== peer),
  );
