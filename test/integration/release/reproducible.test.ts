import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { makeDeb } from '../../setup/release/deb.ts';
import { makeNodeTree } from '../../setup/release/node-tree.ts';
import { makeArchive } from '../../setup/release/packages.ts';

// Without a Node.js in them, as that is a file that is copied.

/** Builds both packages for nodes from nothing; resolves to their sums, what is in the Debian one, and the archive. */
async function build(target: string): Promise<{ sums: string[]; contents: string; archive: string }> {
  const tree = join(target, 'tree');
  await mkdir(target);
  await makeNodeTree(tree, { version: '9.8.7-rc.1', nodeBinary: '/bin/true' });
  const { signal } = new AbortController();
  const parts = { tree, version: '9.8.7-rc.1', architecture: 'amd64', time: 1_700_000_000, signal } as const;
  const files = [await makeDeb(target, parts), await makeArchive(target, parts)];
  const { stdout: contents } = await execa('dpkg-deb', ['--contents', files[0] ?? '']);
  const sums = files.map(async (file) => {
    const sum = createHash('sha256')
      .update(await readFile(file))
      .digest('hex');
    return `${sum}  ${basename(file)}`;
  });
  return { sums: await Promise.all(sums), contents, archive: files[1] ?? '' };
}

test('the packages for nodes have the same bytes whenever they are built, by whom and where', async () => {
  await using place = await temporaryDirectory();
  const first = await build(join(place.path, 'first'));
  const umask = process.umask(0o077);
  try {
    const second = await build(join(place.path, 'second'));
    assert.equal(second.contents, first.contents);
    assert.deepEqual(second.sums, first.sums);
  } finally {
    process.umask(umask);
  }
  const archived = await execa('tar', ['-tzf', first.archive]);
  for (const name of [
    'bin/shim-virtiofs',
    'bin/containerd-shim-virtiofs-v1',
    'lib/containerd-shim-virtiofs/bin/node',
    'lib/systemd/system/containerd-shim-virtiofs.service',
    'lib/systemd/system/containerd-shim-virtiofs.socket',
    'lib/tmpfiles.d/containerd-shim-virtiofs.conf',
    'share/containerd-shim-virtiofs/config.toml',
    'share/doc/containerd-shim-virtiofs/examples/README.md',
  ])
    assert.ok(archived.stdout.split('\n').includes(`./${name}`), name);
  // Before the release, as Debian orders versions; nobody's own modes.
  assert.match(first.sums[0] ?? '', /_9\.8\.7~rc\.1_amd64\.deb$/);
  const modes = first.contents.split('\n').map((line) => line.slice(0, 10));
  assert.deepEqual([...new Set(modes)].toSorted(), ['-rw-r--r--', '-rwxr-xr-x', 'drwxr-xr-x', 'lrwxrwxrwx']);
});
