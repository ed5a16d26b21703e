import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { readShares } from '../../../src/services/shim/bundle.ts';
import { addByQmp, removeByQmp } from '../../../src/vmm/qmp.ts';
import { DEFAULT_QEMU_BUS } from '../../../src/vmm/vmms.ts';
import { writeInitrd } from '../../harness/guest/boot-files.ts';
import { readConsole } from '../../harness/guest/console.ts';
import { machineArguments } from '../../harness/guest/start-guest.ts';
import { isGone } from '../../harness/leftovers.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { obtain, obtainOrSkip } from '../../setup/obtain.ts';

// The real virtiofsd, which needs root, and a real guest.

const example = (name: string): string =>
  fileURLToPath(new URL(`../../../examples/shares/${name}`, import.meta.url));

const { part: virtiofsd = '', skip } = await obtainOrSkip('virtiofsd-rust');

const SCRIPT = `
set -e
mkdir -p /work /models /more
mount -t virtiofs work /work
mount -t virtiofs models /models
cat /models/file
if echo guest > /models/from-guest; then exit 3; fi
echo booted
read line
until mount -t virtiofs more /more 2>/dev/null; do sleep 0.1; done
cat /more/file
echo guest > /more/from-guest
umount /more
echo unmounted
read line
echo guest > /work/from-guest
umount /work /models`;

const textOf = (steps: readonly { text: string }[]): string => steps.map(({ text }) => `${text}\n`).join('');

describe('examples/shares', { skip }, () => {
  test('a guest has two shares, gets a third while it runs and gives it back, by the scripts; nothing is left', async () => {
    await using directory = await temporaryDirectory();
    const place = join(directory.path, 'place');
    const bin = join(directory.path, 'bin');
    for (const name of ['bin', 'vm/work', 'vm/models', 'more'])
      await mkdir(join(directory.path, name), { recursive: true });
    for (const name of ['vm/models', 'more'])
      await writeFile(join(directory.path, name, 'file'), `${name}\n`);
    await symlink(process.execPath, join(bin, 'node'));
    const [qemu, { image }, initrd] = await Promise.all([obtain('qemu'), obtain('kernel'), obtain('initrd')]);
    await using boot = await writeInitrd(initrd, SCRIPT);
    const machine = machineArguments({ memoryMiB: 256, image, initrd: boot.path });
    const env = {
      PATH: `${bin}:${process.env['PATH']}`,
      VIRTIOFSD: virtiofsd,
      PLACE: place,
      MEMORY_MIB: '256',
    };
    await using stack = new AsyncDisposableStack();
    const vmm = ['setpriv', '--pdeathsig', 'KILL', 'timeout', '--foreground', '300', qemu];
    const session = execa(example('session.sh'), [join(directory.path, 'vm'), ...vmm, ...machine], {
      env,
      all: true,
      buffer: false,
      reject: false,
      stdin: 'pipe',
    });
    // Its own trap closes the shares.
    stack.defer(async () => {
      session.stdin.end();
      await session;
    });
    const console = readConsole(session.all);
    await console.waitForLine('booted');
    const host = Number.parseInt(await readFile(join(place, 'state', 'host.pid'), 'utf8'), 10);
    assert.equal(isGone(host), false);
    await execa(example('hot-plug.sh'), ['add', join(directory.path, 'more')], { env });
    session.stdin.write('go on\n');
    await console.waitForLine('unmounted');
    const removed = await execa(example('hot-plug.sh'), ['remove'], { env });
    assert.equal(removed.stdout, 'Closed 1 share');
    session.stdin.write('go on\n');
    const { exitCode } = await session;
    const lines = console.lines.join('\n');
    assert.equal(exitCode, 0, lines);
    assert.match(lines, /^vm\/models$/m);
    assert.match(lines, /can't create \/models\/from-guest: Read-only file system/);
    assert.match(lines, /^more$/m);
    for (const name of ['vm/work', 'more'])
      assert.equal(await readFile(join(directory.path, name, 'from-guest'), 'utf8'), 'guest\n');
    assert.deepEqual([existsSync(place), isGone(host)], [false, true]);
    assert.deepEqual((await readdir(directory.path)).toSorted(), ['bin', 'more', 'vm']);
  });

  test('the steps and the mounts of the README are those of the program', async () => {
    const readme = await readFile(example('README.md'), 'utf8');
    const blocks = [...readme.matchAll(/^```json\n(.*?)^```$/gms)].map(([, text = '']) => text);
    const [add, remove, spec = ''] = blocks;
    const socketPath = '/run/shares-example/state/s/0123456789abcdef.sock';
    const share = { tag: 'more', socketPath, queueSize: 1024 };
    assert.deepEqual(
      [add, remove],
      [textOf(addByQmp(share, { bus: DEFAULT_QEMU_BUS })), textOf(removeByQmp(share))],
    );
    await using bundle = await temporaryDirectory();
    await writeFile(join(bundle.path, 'config.json'), spec);
    assert.deepEqual(await readShares(bundle.path), [
      { tag: 'work', source: '/srv/vm/work', readOnly: false },
      { tag: 'models', source: '/srv/vm/models', readOnly: true, cache: 'always' },
    ]);
  });
});
