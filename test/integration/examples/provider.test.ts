import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'smol-toml';
import type { ConfigInput } from '../../../src/config/schema.ts';
import { qemuArguments } from '../../../src/vmm/qemu.ts';
import { runGuest } from '../../harness/guest/run-guest.ts';
import { obtain } from '../../setup/obtain.ts';
import { writeBundle } from '../../harness/bundle.ts';
import { leftovers } from '../../harness/leftovers.ts';
import { serveTestHost, type ServedHost } from '../../harness/test-host.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';

const example = fileURLToPath(new URL('../../../examples/provider', import.meta.url));
const FROZEN = 'io.containerd.fsshare.v1.frozen';
const MEMORY_MIB = 256;

/** A host with the example's own configuration, its folder copied to where a user would put it, and paths of the test. */
async function hostOfExample(directory: string, sharedFs?: string): Promise<ServedHost & { copies: string }> {
  const { path, dialect } = await obtain('virtiofsd');
  const plugins = join(directory, 'plugins');
  await cp(example, join(plugins, 'frozen'), { recursive: true });
  const copies = join(directory, 'copies');
  const text = parse(await readFile(join(example, 'config.toml'), 'utf8')) as unknown as ConfigInput;
  const table = text.plugins?.[FROZEN];
  const virtiofs = { ...(table?.['virtiofs'] as object), virtio_fs_daemon: path, virtio_fs_dialect: dialect };
  const host = await serveTestHost({
    config: {
      shared_fs: sharedFs ?? text.shared_fs ?? '',
      plugin_dirs: [plugins],
      plugins: { [FROZEN]: { ...table, copy_dir: copies, virtiofs } },
    },
  });
  return { ...host, copies };
}

describe('examples/provider', () => {
  test('is loaded by configuration alone and serves a copy that later changes do not reach; needs root', async () => {
    await using directory = await temporaryDirectory();
    await using own = await hostOfExample(directory.path);
    const source = join(directory.path, 'source');
    await mkdir(join(source, 'deep'), { recursive: true });
    await writeFile(join(source, 'deep', 'file'), 'as it was\n');
    await using share = await own.host.openShare({ sandboxId: 'a', tag: 'frozen', source });
    assert.equal(share.sharedFs, 'virtio-fs-frozen');
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
    await using own = await hostOfExample(directory.path, 'virtio-fs');
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

  test('leaves no copy where the share cannot be opened', async () => {
    await using directory = await temporaryDirectory();
    await using own = await hostOfExample(directory.path);
    const source = join(directory.path, 'missing');
    await assert.rejects(own.host.openShare({ sandboxId: 'a', tag: 'x', source }), { code: 'ENOENT' });
    await assert.rejects(own.host.openShare({ sandboxId: 'a', tag: 'x' }), {
      message: 'Share "x" has no source to copy: name one',
    });
    assert.deepEqual(await readdir(own.copies), []);
    assert.deepEqual(await leftovers(own.state), []);
  });
});
