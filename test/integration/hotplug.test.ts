import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { runSteps } from '../../examples/shares/qmp.ts';
import { eventually } from '../harness/eventually.ts';
import { startGuest } from '../harness/guest/start-guest.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { serveShares } from '../harness/share-client.ts';
import { realVirtiofsds } from '../harness/virtiofsds.ts';

// Real virtiofsds, which need root, and real guests: what the share service answers is what QEMU gets.

const MEMORY_MIB = 256;
const sandboxId = 'sb';

/** A monitor, and a free port. */
const hotPlug = (socket: string): string[] => [
  '-qmp',
  `unix:${socket},server=on,wait=off`,
  '-device',
  'pcie-root-port,id=fs-port0,chassis=1,slot=1',
];

const HOT = `
set -e
mkdir -p /first /hot
mount -t virtiofs first /first
echo booted
while read line; do
  case $line in
    mount) until mount -t virtiofs hot /hot 2>/dev/null; do sleep 0.1; done; cat /hot/from-host; echo hot > /hot/from-guest; echo mounted ;;
    umount) umount /hot; echo unmounted ;;
    end) cat /first/from-host; echo first > /first/from-guest; umount /first; exit 0 ;;
  esac
done`;

for (const { name, dialect, path: daemon, skip } of await realVirtiofsds()) {
  describe(`a guest that runs on shares of ${name}`, { skip }, () => {
    const real = { daemon, virtiofs: { virtio_fs_dialect: dialect } };

    test('gets a further share by the printed steps, twice, gives it back, and goes on with its first', async () => {
      await using own = await serveShares(real);
      const { client } = own;
      const [first, hot] = ['first', 'hot'].map((tag) => join(own.path, tag)) as [string, string];
      for (const source of [first, hot]) {
        await mkdir(source);
        await writeFile(join(source, 'from-host'), `host of ${source === hot ? 'hot' : 'first'}\n`);
      }
      const opened = await client.open({ sandboxId, tag: 'first', source: first, memoryMib: MEMORY_MIB });
      const socket = join(own.path, 'qmp.sock');
      await using guest = await startGuest({
        script: HOT,
        memoryMiB: MEMORY_MIB,
        qemuArguments: [...(opened.vmm?.arguments ?? []), ...hotPlug(socket)],
      });
      await guest.waitForLine('booted');
      for (const round of [1, 2]) {
        const { share, vmm } = await client.open({ sandboxId, tag: 'hot', source: hot });
        assert.ok(share && vmm);
        await runSteps(socket, vmm.add);
        guest.write('mount\n');
        await guest.waitForLine('mounted');
        assert.equal(await readFile(join(hot, 'from-guest'), 'utf8'), 'hot\n', `${round}`);
        const pids = (await client.list({})).shares.map(({ pid }) => pid);
        // The guest's one device of that tag stays the only one, and its daemon is asked for nothing.
        await assert.rejects(client.open({ sandboxId, tag: 'hot', source: hot }), {
          code: Code.AlreadyExists,
          message: 'Sandbox "sb" already has a share "hot": close it first',
        });
        assert.deepEqual(
          (await client.list({})).shares.map(({ pid }) => pid),
          pids,
        );
        guest.write('umount\n');
        await guest.waitForLine('unmounted');
        await runSteps(socket, vmm.remove);
        await eventually('its daemon has seen its VMM leave', async () => {
          const { share: now } = await client.get({ sandboxId, tag: 'hot' });
          return now?.exit?.cause === 'disconnected';
        });
        assert.equal((await client.close({ sandboxId, tag: 'hot' })).closed, 1);
        assert.deepEqual([isGone(share.pid), existsSync(share.socketPath)], [true, false]);
        const left = (await client.list({})).shares.map(({ tag, state }) => [tag, state]);
        assert.deepEqual(left, [['first', 'connected']]);
      }
      guest.write('end\n');
      const { code, lines } = await guest.exit;
      const once = ['host of hot', 'mounted', 'unmounted'];
      assert.deepEqual([code, lines], [0, ['booted', ...once, ...once, 'host of first']]);
      assert.equal(await readFile(join(first, 'from-guest'), 'utf8'), 'first\n');
      await client.close({ sandboxId });
      assert.deepEqual(await leftovers(own.state), []);
    });
  });
}

const MODES = `
set -e
mkdir -p /rw /ro
mount -t virtiofs work /rw
mount -t virtiofs models /ro
cat /rw/file /ro/file
echo 'guest' > /rw/from-guest
if echo 'guest' > /ro/from-guest; then exit 3; fi
echo read
read line
until [ "$(cat /rw/file)" = new ]; do sleep 0.2; done
echo "auto: $(cat /rw/file), always: $(cat /ro/file)"
umount /rw /ro`;

const [, rust] = await realVirtiofsds();

describe(
  'a guest of two shares in different modes',
  { skip: rust?.skip ?? 'there is no such daemon' },
  () => {
    test('writes one and sees its changes, and can only read the other, as it was', async () => {
      await using own = await serveShares({ daemon: rust?.path ?? '' });
      const { client } = own;
      const [work, models] = ['work', 'models'].map((tag) => join(own.path, tag)) as [string, string];
      for (const source of [work, models]) {
        await mkdir(source);
        await writeFile(join(source, 'file'), 'old\n');
      }
      await client.open({ sandboxId, tag: 'work', source: work, cache: 'auto' });
      const { vmm } = await client.open({
        sandboxId,
        tag: 'models',
        source: models,
        cache: 'always',
        readOnly: true,
        memoryMib: MEMORY_MIB,
      });
      const { shares } = await client.list({});
      assert.deepEqual(
        shares.map(({ tag, cache, readOnly }) => [tag, cache, readOnly]),
        [
          ['models', 'always', true],
          ['work', 'auto', false],
        ],
      );
      await using guest = await startGuest({
        script: MODES,
        memoryMiB: MEMORY_MIB,
        qemuArguments: vmm?.arguments ?? [],
      });
      await guest.waitForLine(/^read$/);
      for (const source of [work, models]) await writeFile(join(source, 'file'), 'new\n');
      guest.write('go on\n');
      const { code, lines } = await guest.exit;
      assert.equal(code, 0, lines.join('\n'));
      assert.match(lines.join('\n'), /can't create \/ro\/from-guest: Read-only file system/);
      assert.equal(lines.at(-1), 'auto: new, always: old');
      assert.equal(await readFile(join(work, 'from-guest'), 'utf8'), 'guest\n');
      assert.equal(existsSync(join(models, 'from-guest')), false);
    });
  },
);
