import assert from 'node:assert/strict';
import { copyFile, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { test } from 'node:test';

import { execa } from 'execa';
import { parseConfig } from '../../../src/config/read.ts';
import { qemuArguments } from '../../../src/vmm/qemu.ts';
import { controllerHost } from '../../harness/containerd/controller-host.ts';
import { exampleFile } from '../../harness/containerd/examples.ts';
import { runGuest } from '../../harness/guest/run-guest.ts';
import { isGone, leftovers } from '../../harness/leftovers.ts';
import { PATIENT_DAEMON } from '../../harness/patience.ts';
import { connectShares } from '../../harness/share-client.ts';
import { SHIM_VIRTIOFS } from '../../harness/shim-virtiofs.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { realVirtiofsds } from '../../harness/virtiofsds.ts';
import { obtainOrSkip } from '../../setup/obtain.ts';

// examples/containerd/containerd-shim-virtiofs.service, as far as it goes without a systemd that runs. Needs root.

const name = 'containerd-shim-virtiofs.service';
const text = await readFile(exampleFile(`containerd/${name}`), 'utf8');
const { part: analyze = '', skip: noSystemd } = await obtainOrSkip('systemd');

/** All values of a setting, in order. */
const valuesOf = (setting: string): string[] =>
  [...text.matchAll(new RegExp(`^${setting}=(.*)$`, 'gm'))].flatMap(([, value = '']) => value.split(' '));

test('the unit: systemd finds no fault with it', { skip: noSystemd }, async () => {
  await using place = await temporaryDirectory();
  const verify = async (unit: string): Promise<string> => {
    const file = join(place.path, name);
    // Where our command is not installed.
    await writeFile(file, unit.replace('=shim-virtiofs ', `=${SHIM_VIRTIOFS} `));
    const socket = join(place.path, 'containerd-shim-virtiofs.socket');
    await copyFile(exampleFile(`containerd/${basename(socket)}`), socket);
    const { exitCode, all } = await execa(analyze, ['verify', file, socket], { reject: false, all: true });
    return exitCode === 0 ? all : `${exitCode} ${all}`;
  };
  assert.equal(await verify(text), '');
  assert.match(await verify(text.replace('KillMode', 'KillsMode')), /Unknown key/);
});

test('the unit: nothing in it gives the host a mount namespace of its own', () => {
  // systemd.exec(5): those that say "mount namespace", and what implies them.
  const parting =
    /^(Private(Tmp|Devices|Mounts|IPC|Users)|MountFlags|Protect|(ReadOnly|ReadWrite|Inaccessible|Exec|NoExec|Bind|BindReadOnly)\w*Paths|TemporaryFileSystem|Root\w+|MountImages|Extension\w+|MountAPIVFS|DynamicUser|ProcSubset|LogNamespace)/;
  const settings = [...text.matchAll(/^(\w+)=/gm)].map(([, setting = '']) => setting);
  assert.deepEqual(
    settings.filter((setting) => parting.test(setting)),
    [],
  );
  assert.ok(settings.includes('KillMode'));
});

test("the unit: its directories are the host's own", () => {
  const { state, scratchDir } = parseConfig({ version: 1 });
  assert.equal(state, `/run/${valuesOf('RuntimeDirectory').join()}`);
  assert.equal(dirname(scratchDir), `/var/lib/${valuesOf('StateDirectory').join()}`);
});

test('the unit: its host takes over from one that somebody started by hand', () => {
  assert.deepEqual(valuesOf('ExecStart'), ['shim-virtiofs', 'serve', '--take-over']);
});

/** What needs capabilities of a virtiofsd. */
const script = `set -e
mkdir /work /tree
mount -t virtiofs work /work
mount -t virtiofs tree /tree
cat /tree/mounted/known
cd /work
echo from the guest >file
chown 1234:5678 file
chmod 4755 file
mknod device c 1 3
cd /
umount /work /tree`;

/** Capabilities as setpriv(1) takes them; CAP_SYS_ADMIN is `+sys_admin`. */
const capabilities = valuesOf('CapabilityBoundingSet').map((cap) => cap.toLowerCase().replace('cap_', '+'));
const bounds = ['-all', ...capabilities].join(',');
/** What of the unit's limits can be had without systemd. */
const limit = `umask ${valuesOf('UMask').join()}; exec setpriv --no-new-privs --bounding-set=${bounds} -- "$@"`;
const limited = ['sh', '-c', limit, 'sh', process.execPath, SHIM_VIRTIOFS];

for (const { name: virtiofsd, dialect, path: daemon, skip } of await realVirtiofsds()) {
  test(
    `the unit: within its limits a host mounts, adopts and serves a guest, with ${virtiofsd}`,
    { skip },
    async () => {
      await using stack = new AsyncDisposableStack();
      const { path: dir } = stack.use(await temporaryDirectory());
      const [state, configFile, source] = [join(dir, 'state'), join(dir, 'config.toml'), join(dir, 'source')];
      await mkdir(source);
      await writeFile(join(source, 'known'), 'of the host');
      const plugin = `[plugins."io.containerd.fsshare.v1.virtiofs"]\nvirtio_fs_daemon = "${daemon}"`;
      const settings = `virtio_fs_dialect = "${dialect}"\n${PATIENT_DAEMON}\n`;
      await writeFile(configFile, `version = 1\nscratch_dir = "${state}"\n[grpc]\n${plugin}\n${settings}`);
      const host = stack.use(controllerHost({ dir, configFile, state }, { command: limited }));
      await host.start();
      const sandboxId = 'sb';
      stack.defer(async () => {
        if (isGone(host.pid)) await host.start();
        await using caller = await connectShares(join(state, 'host.sock'));
        await caller.client.close({ sandboxId });
      });
      await using former = await connectShares(join(state, 'host.sock'));
      await former.client.open({ sandboxId, tag: 'work', source });
      await former.client.open({ sandboxId, tag: 'tree' });
      await former.client.mount({ sandboxId, tag: 'tree', source, mountpoint: '/mounted', options: ['ro'] });
      await host.end('SIGKILL');

      await host.start();
      assert.match(await readFile(`/proc/${host.pid}/status`, 'utf8'), /^NoNewPrivs:\t1$/m);
      await using caller = await connectShares(join(state, 'host.sock'));
      const { shares } = await caller.client.list({});
      const { code, output } = await runGuest({
        script,
        qemuArguments: qemuArguments(shares, { memoryMiB: 256 }),
      });
      assert.equal(code, 0, output);
      assert.match(output, /^of the host/m);
      const { uid, gid, mode } = await stat(join(source, 'file'));
      assert.deepEqual([uid, gid, mode & 0o7777], [1234, 5678, 0o4755]);
      assert.ok((await stat(join(source, 'device'))).isCharacterDevice());

      await caller.client.close({ sandboxId });
      assert.ok(shares.every(({ pid }) => isGone(pid)));
      await host.end('SIGTERM');
      assert.deepEqual(await leftovers(state), []);
    },
  );
}
