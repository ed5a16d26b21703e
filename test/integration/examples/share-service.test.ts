import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { writeInitrd } from '../../harness/guest/boot-files.ts';
import { machineArguments } from '../../harness/guest/start-guest.ts';
import { leftovers } from '../../harness/leftovers.ts';
import { serveShares } from '../../harness/share-client.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { obtain, obtainOrSkip } from '../../setup/obtain.ts';

// Real virtiofsds need root.

const example = (name: string): string =>
  fileURLToPath(new URL(`../../../examples/share-service/${name}`, import.meta.url));

const { part: program = '', skip } = await obtainOrSkip('share-service');

describe('examples/share-service', { skip }, () => {
  test('a guest reads and writes what session.sh shares with it; nothing is left', async () => {
    await using place = await temporaryDirectory();
    const source = join(place.path, 'source');
    await mkdir(source);
    await writeFile(join(source, 'from-host'), 'written by the host\n');
    const script = `
      set -e
      mount -t virtiofs work /mnt
      cat /mnt/from-host
      echo 'written by the guest' > /mnt/from-guest
      umount /mnt`;
    const [qemu, { image }, initrd] = await Promise.all([obtain('qemu'), obtain('kernel'), obtain('initrd')]);
    await using boot = await writeInitrd(initrd, script);
    const machine = machineArguments({ memoryMiB: 512, image, initrd: boot.path });
    const { stdout } = await session(place.path, [
      source,
      'timeout',
      '--foreground',
      '300',
      qemu,
      ...machine,
    ]);
    assert.match(stdout, /^written by the host\r?$/m);
    assert.equal(await readFile(join(source, 'from-guest'), 'utf8'), 'written by the guest\n');
    assert.deepEqual((await readdir(place.path)).toSorted(), ['bin', 'source']);
  });

  test("the README's first commands run as written, and print what QEMU needs", async () => {
    await using place = await temporaryDirectory();
    const readme = await readFile(example('README.md'), 'utf8');
    const [commands = ''] = [...readme.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, text]) => text ?? '');
    assert.match(commands, /^mkdir -p \/srv\/work\n\.\/session\.sh \/srv\/work <\/dev\/null\n$/);
    const source = join(place.path, 'work');
    await mkdir(source);
    const { stdout } = await session(place.path, [source]);
    const socket = /^socket,id=fs-work,path=(.*)$/m.exec(stdout)?.[1] ?? '';
    assert.match(
      stdout,
      /^vhost-user-fs-pci,id=fs-work,chardev=fs-work,tag=work,queue-size=1024,num-request-queues=1$/m,
    );
    assert.match(stdout, /^memory-backend-memfd,id=fs-memory,size=512M,share=on$/m);
    assert.equal(existsSync(socket), false);
    assert.deepEqual((await readdir(place.path)).toSorted(), ['bin', 'work']);
  });

  test("main.go fails with the service's words, and closes what it opened where the VMM fails", async () => {
    await using own = await serveShares();
    const run = async (
      ...args: string[]
    ): Promise<{ code: number | undefined; out: string; err: string }> => {
      const words = ['-socket', own.address, ...args];
      const { exitCode, stdout, stderr } = await execa(program, words, { reject: false, stdin: 'ignore' });
      return { code: exitCode, out: stdout, err: stderr };
    };
    const refused = await run(join(own.path, 'nowhere'));
    assert.equal(refused.code, 1);
    assert.match(refused.err, /code = NotFound desc = Cannot start share "work": .*nowhere/);
    const { code, out } = await run('-sandbox', 'sb', own.source, 'sh', '-c', 'echo "$@"; exit 3', 'vmm');
    assert.equal(code, 1);
    assert.match(out, /^-m 512M .*tag=work/);
    assert.equal(own.host.sandboxes.size, 0);
    assert.deepEqual(await leftovers(own.state), []);

    const { share } = await own.client.open({ sandboxId: 'my-sandbox', tag: 'work' });
    const taken = await run(own.source);
    assert.match(taken.err, /code = AlreadyExists/);
    assert.equal((await own.client.get({ sandboxId: 'my-sandbox', tag: 'work' })).share?.pid, share?.pid);
  });
});

/** Runs session.sh with a virtiofsd and this Node on PATH, and its own files below `directory`. */
async function session(directory: string, args: readonly string[]): Promise<{ stdout: string }> {
  const bin = join(directory, 'bin');
  await mkdir(bin);
  await symlink((await obtain('virtiofsd')).path, join(bin, 'virtiofsd'));
  await symlink(process.execPath, join(bin, 'node'));
  const env = { PATH: `${bin}:${process.env['PATH']}`, TMPDIR: directory, SHARE: program };
  const { stdout } = await execa(example('session.sh'), args, { env, stdin: 'ignore' });
  return { stdout };
}
