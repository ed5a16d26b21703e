import assert from 'node:assert/strict';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Host } from '../../src/host/host.ts';
import type { Share } from '../../src/share/contract.ts';
import { qemuArguments } from '../../src/vmm/qemu.ts';
import { runGuest } from '../harness/guest/run-guest.ts';
import { openTestHost } from '../harness/test-host.ts';
import { realVirtiofsds } from '../harness/virtiofsds.ts';

// These start real virtiofsds and guests, and so need root.

const MEMORY_MIB = 256;

/** Names that mean something in option languages, each with the directory that a daemon would share by mistake. */
const NAMES: readonly [name: string, mistaken: string][] = [
  ['back\\slash', 'backslash'],
  ['comma,xattr', 'comma'],
  ['octal\\163', 'octals'],
  ['both\\,no_flock', 'both,no_flock'],
  ['end\\', 'end'],
  ['two\\\\', 'two\\'],
  ['a=b', 'a'],
  [' space "quote\' ', 'space "quote\' '],
  ['line\nfeed', 'line'],
  ['source=/etc', 'etc'],
  ['%s $HOME', '%s '],
  ['grün', 'grn'],
];

/** Mounts every source in one guest; resolves to what stands in the file `name` of each. */
async function readInGuest(host: Host, sources: readonly string[]): Promise<readonly string[]> {
  await using stack = new AsyncDisposableStack();
  const shares: Share[] = [];
  for (const [index, source] of sources.entries())
    shares.push(stack.use(await host.openShare({ sandboxId: 'a', tag: `t${index}`, source })));
  await Promise.all(shares.map(({ ready }) => ready));
  const steps = shares.map(({ tag }) => `mount -t virtiofs ${tag} /mnt && cat /mnt/name; umount /mnt`);
  const { lines } = await runGuest({
    script: steps.join('\n'),
    memoryMiB: MEMORY_MIB,
    qemuArguments: qemuArguments(shares, { memoryMiB: MEMORY_MIB }),
  });
  return lines;
}

for (const { name: daemon, dialect, path, skip } of await realVirtiofsds()) {
  describe(`a share by ${daemon}`, { skip }, () => {
    test('is of the directory that was named, whatever is in its name', async () => {
      await using own = await openTestHost({ daemon: path, virtiofs: { virtio_fs_dialect: dialect } });
      const sources = NAMES.map(([name]) => join(own.path, 'sources', name));
      const decoys = NAMES.map(([, mistaken]) => join(own.path, 'sources', mistaken));
      for (const decoy of decoys) await mkdir(decoy, { recursive: true });
      for (const [index, source] of sources.entries()) {
        await mkdir(source, { recursive: true });
        await writeFile(join(source, 'name'), `${index}\n`);
      }
      assert.deepEqual(
        await readInGuest(own.host, sources),
        NAMES.map((_, index) => `${index}`),
      );
    });

    test('of a symbolic link is of the directory that it names', async () => {
      await using own = await openTestHost({ daemon: path, virtiofs: { virtio_fs_dialect: dialect } });
      const directory = join(own.path, 'real', 'directory');
      await mkdir(directory, { recursive: true });
      await writeFile(join(directory, 'name'), 'through a link\n');
      const links = ['link', 'to the link', 'beneath/link'].map((link) => join(own.path, link));
      await mkdir(join(own.path, 'beneath'));
      await symlink('real/directory', links[0] ?? '');
      await symlink(links[0] ?? '', links[1] ?? '');
      await symlink('../real', links[2] ?? '');
      const sources = [links[0], links[1], `${links[2]}/directory`, `${links[0]}/`].map(String);
      assert.deepEqual(
        await readInGuest(own.host, sources),
        sources.map(() => 'through a link'),
      );
    });
  });
}
