import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openHost, qemuArguments, type Sandbox } from 'containerd-shim-virtiofs';
import { startGuest, type Guest } from '../../test/harness/guest/start-guest.ts';
import { buildImage, localConfig, rafsConfig, type RafsImage } from '../../test/harness/nydus/image.ts';
import { pullBlob, pushImage } from '../../test/harness/nydus/push-image.ts';
import { startRegistry, type Registry } from '../../test/harness/nydus/registry.ts';
import { obtain } from '../../test/setup/obtain.ts';
import { runInterruptible } from '../demo/interruptible.ts';
import { done, show, step } from '../demo/progress.ts';
import { describeRun, megabytes, type Run } from './describe-run.ts';

const CONFIG = fileURLToPath(new URL('config.toml', import.meta.url));
// Not the same name twice: a demo that was killed may have left its sandbox.
const SANDBOX = `nydus-${process.pid}`;
const REPOSITORY = 'demo/app';
const MEMORY_MIB = 256;
/** So many files the image has, and the guest reads one. */
const FILES = 64;
const FILE_MIB = 2;
const GUEST_SCRIPT = `
mount -t virtiofs demo /mnt || exit 1
echo waits
while read container && [ $container != end ]; do
  echo "$container reads $(md5sum < /mnt/rafs/$container/lowerdir/file-7)"
done
`;

/** What the steps work with. */
interface Demo {
  readonly directory: string;
  readonly image: RafsImage;
  readonly registry: Registry;
  readonly sandbox: Sandbox;
  readonly guest: Guest;
  readonly signal: AbortSignal;
}

await runInterruptible(runDemo);

async function runDemo(signal: AbortSignal): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'csv-nydus-'));
  stack.defer(() => rm(directory, { recursive: true, force: true }));

  step('image', `builds a RAFS image of ${FILES} files of ${FILE_MIB} MiB and puts it into a registry`);
  const contents = Array.from({ length: FILES }, () => randomBytes(FILE_MIB << 20));
  const image = await buildImage(
    directory,
    Object.fromEntries(contents.map((bytes, index) => [`file-${index}`, bytes])),
  );
  signal.throwIfAborted();
  const registry = stack.use(await startRegistry());
  await pushImage(image, { host: registry.host, repository: REPOSITORY });
  const { size } = await stat(join(image.blobs, image.blobId));
  done(`${registry.host}/${REPOSITORY}:latest has ${megabytes(size)}`);
  signal.throwIfAborted();

  step('sandbox', `reads ${CONFIG}, and creates sandbox "${SANDBOX}"`);
  const { nydusd } = await obtain('nydus');
  // The plugin finds its daemon as programs are found.
  process.env['PATH'] = [dirname(nydusd), process.env['PATH']].join(delimiter);
  const host = await openHost({ config: CONFIG });
  stack.defer(() => rm(host.config.state, { recursive: true, force: true }));
  stack.use(host);
  const sandbox = await host.sandboxes.create({
    namespace: 'default',
    sandboxId: SANDBOX,
    owner: 'library',
    contents: { shares: [{ tag: 'demo' }] },
  });
  await sandbox.shares[0]?.ready;
  const pid = sandbox.shares[0]?.pid;
  done(`nydusd ${pid} serves it`);
  signal.throwIfAborted();

  step('guest', 'boots Linux in QEMU (emulated, a few seconds), and waits for what to read');
  const qemu = qemuArguments(sandbox.shares, { memoryMiB: MEMORY_MIB });
  const guest = stack.use(
    await startGuest({ script: GUEST_SCRIPT, memoryMiB: MEMORY_MIB, qemuArguments: qemu, signal }),
  );
  await guest.waitForLine('waits');
  done('it has mounted the tag');

  const demo: Demo = { directory, image, registry, sandbox, guest, signal };
  step('lazy', 'mounts the image from the registry, and lets the guest read one file of it');
  const lazy = await measure(demo, 'lazy', async (cache) => {
    const backend = { scheme: 'http', host: registry.host, repo: REPOSITORY };
    return [image.bootstrap, rafsConfig({ type: 'registry', config: backend }, cache)];
  });
  done(lazy.answer);
  step('full', 'fetches the whole image first, as a pull does, mounts it, and lets the guest read the same');
  const full = await measure(demo, 'full', async (cache) => {
    const blobs = join(directory, 'pulled');
    await mkdir(blobs);
    const name = { host: registry.host, repository: REPOSITORY };
    await pullBlob(image.blobId, name, { to: join(blobs, image.blobId), signal });
    return [image.bootstrap, localConfig({ ...image, blobs }, cache)];
  });
  done(full.answer);

  step('delete', 'ends the guest, and then the sandbox: nydusd ends when its VMM has left');
  guest.write('end\n');
  await guest.exit;
  await host.sandboxes.delete('default', SANDBOX);
  done(`process ${pid} ${existsSync(`/proc/${pid}`) ? 'STILL RUNS' : 'is gone'}`);
  show('What it took', describeRun({ imageBytes: size, lazy, full }));
}

/** Mounts an image as `prepare` says, has the guest read a file of it, and counts time and bytes. */
async function measure(
  { directory, registry, sandbox, guest, signal }: Demo,
  container: string,
  prepare: (cache: string) => Promise<[source: string, config: string]>,
): Promise<Run> {
  const cache = join(directory, `cache-${container}`);
  await mkdir(cache);
  const startedAt = performance.now();
  const bytesBefore = registry.bytesSent;
  const [source, config] = await prepare(cache);
  const mountpoint = `/rafs/${container}/lowerdir`;
  await sandbox.mount('demo', { source, mountpoint, config }, { signal });
  const mountedMs = performance.now() - startedAt;
  guest.write(`${container}\n`);
  const line = await guest.waitForLine(`${container} reads `);
  const answer = line.replace(`${container} reads `, '').split(' ')[0] ?? '';
  return {
    answer: `the guest's checksum of its file: ${answer}`,
    mountedMs,
    readMs: performance.now() - startedAt,
    bytes: registry.bytesSent - bytesBefore,
  };
}
