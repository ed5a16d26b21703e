import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { buildImage, localConfig } from '../../harness/nydus/image.ts';
import { startServe } from '../../harness/serve-process.ts';
import { obtainOrSkip } from '../../setup/obtain.ts';
import { measureInTurn, toRows } from '../rows.ts';
import type { SuiteOptions, SuiteResult } from '../suite.ts';
import { timed } from '../timed.ts';
import type { Virtiofsd } from '../virtiofsds.ts';
import { openWorkbench } from '../workbench.ts';
import { startBareNydusd } from './bare-nydusd.ts';
import { compareMany, type Growth } from './many.ts';
import { MOUNTS } from './sizes.ts';

/** What mounts an image. */
type Mounter = Readonly<Record<'mount' | 'unmount', (mountpoint: string) => Promise<unknown>>>;

/** Images in a share, mounted by a ttrpc call to a host of its own, against the API of a nydusd without one. */
export async function measureRafs(
  virtiofsd: Pick<Virtiofsd, 'path'>,
  { isQuick, signal }: SuiteOptions,
): Promise<SuiteResult> {
  const { part, skip } = await obtainOrSkip('nydus');
  if (!part) return { rows: [], notes: [skip] };
  await using stack = new AsyncDisposableStack();
  const { directory } = stack.use(await openWorkbench());
  const mounters = await openMounters({ virtiofsd: virtiofsd.path, nydusd: part.nydusd, directory, stack });
  const inTurn = await measureInTurn(
    Object.fromEntries(mounters.map(([who, mounter]) => [who, contestant(who, mounter)])),
    { rounds: isQuick ? 20 : 200, warmUp: 10, signal },
  );
  const growth: Growth = { samples: {}, peers: {} };
  for (let round = 0; round < (isQuick ? 1 : 5); round++) {
    const filling = mounters.map(([who, { mount }]) => [who, (index: number) => mount(placeOf(index))]);
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await compareMany(Object.fromEntries(filling), { growth, signal });
    for (const [, { unmount }] of mounters)
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      for (let index = 0; index < MOUNTS; index++) await unmount(placeOf(index));
  }
  const peers = Object.fromEntries(
    ['mount', 'unmount'].map((what) => [`${what}, ${TTRPC}`, `${what}, ${BARE}`]),
  );
  return {
    rows: [...toRows(inTurn, { peers }), ...toRows(growth.samples, growth)],
    notes: [`${BARE}: the same requests to another nydusd over one connection that stays, by node:http`],
  };
}

const [TTRPC, BARE] = ['RAFS by ttrpc', "RAFS by nydusd's bare API"];

const placeOf = (index: number): string => `/rafs/c${index}/lowerdir`;

function contestant(who: string, { mount, unmount }: Mounter): () => Promise<Record<string, number>> {
  let names = 0;
  return async () => {
    const mountpoint = placeOf(names++);
    const times = { [`mount, ${who}`]: await timed(() => mount(mountpoint)) };
    return { ...times, [`unmount, ${who}`]: await timed(() => unmount(mountpoint)) };
  };
}

async function openMounters(options: {
  virtiofsd: string;
  nydusd: string;
  directory: string;
  stack: AsyncDisposableStack;
}): Promise<[who: string, Mounter][]> {
  const { virtiofsd, nydusd, directory, stack } = options;
  const cache = join(directory, 'cache');
  mkdirSync(cache);
  const built = await buildImage(join(directory, 'image'), { f: 'x' });
  const image = { source: built.bootstrap, config: localConfig(built, cache) };
  const { shares } = stack.use(
    await startServe(directory, {
      daemon: virtiofsd,
      top: 'shared_fs = "virtio-fs-nydus"',
      table: `[plugins."io.containerd.fsshare.v1.nydus"]\nvirtio_fs_daemon = "${nydusd}"`,
    }),
  );
  const share = { sandboxId: 'bench', tag: 'bench' };
  await shares.open(share);
  stack.defer(async () => void (await shares.close(share)));
  const bare = stack.use(await startBareNydusd(nydusd, directory));
  return [
    [
      TTRPC,
      {
        mount: (mountpoint) => shares.mount({ ...share, ...image, mountpoint }),
        unmount: (mountpoint) => shares.unmount({ ...share, mountpoint }),
      },
    ],
    [BARE, { ...bare, mount: (mountpoint) => bare.mount(mountpoint, image) }],
  ];
}
