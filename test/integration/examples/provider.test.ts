import assert from 'node:assert/strict';
import { once } from 'node:events';
import { constants, existsSync } from 'node:fs';
import {
  chmod,
  chown,
  copyFile,
  cp,
  lstat,
  mkdir,
  mkdtempDisposable,
  readdir,
  readFile,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { parse } from 'smol-toml';
import { Code } from 'ttrpc-ts';
import type { ConfigInput } from '../../../src/config/schema.ts';
import { readRecord } from '../../../src/share/record.ts';
import { qemuArguments } from '../../../src/vmm/qemu.ts';
import { runGuest } from '../../harness/guest/run-guest.ts';
import { obtain, obtainOrSkip } from '../../setup/obtain.ts';
import { writeBundle } from '../../harness/bundle.ts';
import { eventually } from '../../harness/eventually.ts';
import { executable } from '../../harness/fixtures.ts';
import { memorySpans } from '../../harness/memory-spans.ts';
import { leftovers } from '../../harness/leftovers.ts';
import { serveTestHost, VIRTIOFS, type ServedHost } from '../../harness/test-host.ts';
import { temporaryDirectory, type TemporaryDirectory } from '../../harness/temporary-directory.ts';

const example = fileURLToPath(new URL('../../../examples/provider', import.meta.url));
const FROZEN = 'io.containerd.fsshare.v1.frozen';
const UNPRIVILEGED = 'io.containerd.fsshare.v1.unprivileged';
const NOBODY = 65_534;
const MEMORY_MIB = 256;

/** A host with the example's own configuration, its folders copied to where a user would put them, and paths of the test. */
async function hostOfExample(
  directory: string,
  { sharedFs, daemon }: { sharedFs?: string; daemon?: string } = {},
): Promise<ServedHost & { copies: string }> {
  const { path, dialect } = await obtain('virtiofsd');
  const plugins = join(directory, 'plugins');
  for (const folder of ['frozen', 'unprivileged'])
    await cp(join(example, folder), join(plugins, folder), { recursive: true });
  const copies = join(directory, 'copies');
  const text = parse(await readFile(join(example, 'config.toml'), 'utf8')) as unknown as ConfigInput;
  const { [FROZEN]: frozen, [UNPRIVILEGED]: unprivileged, [VIRTIOFS]: virtiofs } = text.plugins ?? {};
  const real = { virtio_fs_daemon: path, virtio_fs_dialect: dialect };
  const host = await serveTestHost({
    config: {
      shared_fs: sharedFs ?? text.shared_fs ?? '',
      plugin_dirs: [plugins],
      plugins: {
        [FROZEN]: { ...frozen, copy_dir: copies },
        [UNPRIVILEGED]: { ...unprivileged, ...(daemon === undefined ? {} : { daemon }) },
        [VIRTIOFS]: { ...virtiofs, ...real },
      },
    },
  });
  return { ...host, copies };
}

/** What is in a directory, byte for byte. */
const names = async (path: string): Promise<string[]> =>
  (await readdir(path, { encoding: 'latin1', recursive: true })).toSorted();

describe('examples/provider/frozen', () => {
  test('is loaded by configuration alone and serves a copy that later changes do not reach; needs root', async () => {
    await using directory = await temporaryDirectory();
    await using own = await hostOfExample(directory.path);
    const source = join(directory.path, 'source');
    await mkdir(join(source, 'deep'), { recursive: true });
    await writeFile(join(source, 'deep', 'file'), 'as it was\n');
    await using share = await own.host.openShare({ sandboxId: 'a', tag: 'frozen', source });
    const record = readRecord(own.host.stateDir.share('default', 'a', 'frozen'));
    assert.equal(record?.provider, 'virtio-fs-frozen');
    await writeFile(join(source, 'deep', 'file'), 'as it is\n');
    const { lines } = await runGuest({
      script:
        'mount -t virtiofs frozen /mnt && cat /mnt/deep/file && echo changed > /mnt/deep/file; umount /mnt',
      memoryMiB: MEMORY_MIB,
      qemuArguments: qemuArguments([share], { memoryMiB: MEMORY_MIB }),
    });
    assert.deepEqual(lines, ['as it was']);
    assert.equal(await readFile(join(source, 'deep', 'file'), 'utf8'), 'as it is\n');
    await share[Symbol.asyncDispose]();
    assert.deepEqual(await readdir(own.copies), []);
    assert.equal(existsSync(source), true);
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('stands beside the built-in one: a mount of the bundle chooses', async () => {
    await using directory = await temporaryDirectory();
    await using own = await hostOfExample(directory.path, { sharedFs: 'virtio-fs' });
    const source = join(directory.path, 'source');
    await mkdir(source);
    const bundlePath = await writeBundle(own.path, [
      { type: 'virtiofs', source, destination: 'plain' },
      { type: 'virtiofs', source, destination: 'frozen', options: ['shared_fs=virtio-fs-frozen'] },
    ]);
    await own.client.createSandbox({ sandboxId: 'sb', bundlePath });
    const [plain, frozen] = own.host.sandboxes.get('default', 'sb').shares;
    assert.equal(plain?.sharedDir, source);
    assert.equal(frozen?.sharedDir.startsWith(`${own.copies}/sb-`), true);
    await own.client.shutdownSandbox({ sandboxId: 'sb' });
    assert.deepEqual(await readdir(own.copies), []);
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('copies names that are no text, fifos, sockets and links, with owner and mode, and removes them', async () => {
    await using directory = await temporaryDirectory();
    await using own = await hostOfExample(directory.path);
    const source = join(directory.path, 'source');
    const beneath = (name: string): Buffer =>
      Buffer.concat([Buffer.from(`${source}/`), Buffer.from(name, 'latin1')]);
    await mkdir(source);
    await mkdir(beneath('d\xe9p\xf4t'));
    await writeFile(beneath('d\xe9p\xf4t/\xff\xfe'), 'no text\n', { mode: 0o640 });
    await chown(beneath('d\xe9p\xf4t/\xff\xfe'), NOBODY, NOBODY);
    await writeFile(beneath('-rf'), '');
    await symlink('/etc/passwd', beneath('link'));
    await execa('mkfifo', [join(source, 'fifo')]);
    const server = createServer().listen(join(source, 'socket'));
    await once(server, 'listening');
    try {
      await using share = await own.host.openShare({ sandboxId: 'a', tag: 'frozen', source });
      assert.deepEqual(await names(share.sharedDir), await names(source));
      const copied = Buffer.concat([
        Buffer.from(share.sharedDir),
        Buffer.from('/d\xe9p\xf4t/\xff\xfe', 'latin1'),
      ]);
      const { uid, mode } = await stat(copied);
      assert.deepEqual([uid, mode & 0o777, await readFile(copied, 'utf8')], [NOBODY, 0o640, 'no text\n']);
      for (const name of ['fifo', 'socket', 'link']) {
        const [original, copy] = await Promise.all(
          [source, share.sharedDir].map((path) => lstat(join(path, name))),
        );
        assert.equal((original?.mode ?? 0) & constants.S_IFMT, (copy?.mode ?? 1) & constants.S_IFMT, name);
      }
      await share[Symbol.asyncDispose]();
      assert.deepEqual(await readdir(own.copies), []);
    } finally {
      server.close();
    }
  });

  test('leaves no copy where the share cannot be opened', async () => {
    await using directory = await temporaryDirectory();
    await using own = await hostOfExample(directory.path);
    const source = join(directory.path, 'missing');
    await assert.rejects(own.host.openShare({ sandboxId: 'a', tag: 'x', source }), {
      code: Code.FailedPrecondition,
      message: new RegExp(`^Cannot copy "${source}": cp: .*missing.*: No such file or directory$`),
    });
    await assert.rejects(own.host.openShare({ sandboxId: 'a', tag: 'x' }), {
      message: 'Share "x" has no source to copy: name one',
    });
    assert.deepEqual(await readdir(own.copies), []);
    assert.deepEqual(await leftovers(own.state), []);
  });
});

/** A temporary directory that any user can enter: those that a test run gives are its own. */
async function directoryForAll(): Promise<TemporaryDirectory> {
  const directory = await mkdtempDisposable('/var/tmp/csv-');
  await chmod(directory.path, 0o755);
  return directory;
}

const rust = await obtainOrSkip('virtiofsd-rust');

describe('examples/provider/unprivileged', { skip: rust.skip }, () => {
  test('serves a guest by a daemon of its own kind, which may do no more than its user; needs root', async () => {
    await using directory = await directoryForAll();
    // Where the daemon was built, its user may not look.
    const daemon = join(directory.path, 'virtiofsd');
    await copyFile(rust.part ?? '', daemon);
    await using own = await hostOfExample(directory.path, { sharedFs: 'virtio-fs-unprivileged', daemon });
    const source = join(directory.path, 'source');
    await mkdir(source);
    await chown(source, NOBODY, NOBODY);
    await writeFile(join(source, 'public'), 'for all\n');
    await writeFile(join(source, 'secret'), 'for root\n', { mode: 0o600 });
    await using share = await own.host.openShare({ sandboxId: 'a', tag: 'work', source });
    await share.ready;
    assert.match(await readFile(`/proc/${share.pid}/status`, 'utf8'), /^Uid:\t65534\t65534\t65534\t65534$/m);
    const { lines } = await runGuest({
      script:
        'mount -t virtiofs work /mnt && cat /mnt/public; cat /mnt/secret || echo refused; echo new > /mnt/new; umount /mnt',
      memoryMiB: MEMORY_MIB,
      qemuArguments: qemuArguments([share], { memoryMiB: MEMORY_MIB }),
    });
    assert.deepEqual(
      lines.filter((line) => !line.startsWith('cat:')),
      ['for all', 'refused'],
    );
    assert.equal((await stat(join(source, 'new'))).uid, NOBODY);
    assert.equal((await share.closed).cause, 'disconnected');
    await share[Symbol.asyncDispose]();
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('gets what every daemon gets: cause of the end, last words, spans and quit report', async () => {
    await using directory = await directoryForAll();
    const daemon = await executable(
      join(directory.path, 'virtiofsd'),
      '#!/bin/sh\necho no luck >&2\nexit 9\n',
    );
    await using spans = await memorySpans();
    await using own = await hostOfExample(directory.path, { sharedFs: 'virtio-fs-unprivileged', daemon });
    await using share = await own.host.openShare({ sandboxId: 'a', tag: 'work', source: directory.path });
    await assert.rejects(share.ready, {
      name: 'DaemonError',
      message: 'Cannot start share "work": unprivileged-virtiofsd exited with code 9: no luck',
    });
    await eventually('the end is traced', () => spans.named('unprivileged-virtiofsd.quit').length === 1);
    const quit = spans.one('unprivileged-virtiofsd.quit');
    assert.equal(quit.attributes['subsystem'], 'unprivileged-virtiofsd');
    const started = spans.one('unprivileged-virtiofsd.start').spanContext().spanId;
    assert.equal(quit.links[0]?.context.spanId, started);
    for (const step of ['validate', 'socket.listen', 'spawn', 'wait_ready'])
      assert.equal(
        spans.one(`unprivileged-virtiofsd.${step}`).attributes['subsystem'],
        'unprivileged-virtiofsd',
      );
    await assert.rejects(
      own.host.sandboxes.get('default', 'a').mount('work', { source: '/', mountpoint: '/x' }),
      {
        code: Code.Unimplemented,
        message: 'Plugin "io.containerd.fsshare.v1.unprivileged" implements no "mount"',
      },
    );
  });
});
