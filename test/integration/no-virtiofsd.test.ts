import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { Code } from 'ttrpc-ts';
import { controllerHost } from '../harness/containerd/controller-host.ts';
import { leftovers } from '../harness/leftovers.ts';
import { PATIENT_DAEMON } from '../harness/patience.ts';
import { SHIM_VIRTIOFS, type Ended } from '../harness/shim-virtiofs.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { shimPlace } from '../plugin/shim/shim-place.ts';

// What a machine without virtiofsd says. A mount namespace hides the one of this machine. Needs root.

const PLACES = ['/usr/libexec/virtiofsd', '/usr/lib/virtiofsd', '/usr/lib/qemu/virtiofsd'];

/** Covers each place, and runs a command. */
const HIDING = `for place in ${PLACES.join(' ')}; do [ ! -e $place ] || mount --bind /dev/null $place; done; exec "$@"`;
const WITHOUT = ['unshare', '--mount', 'sh', '-c', HIDING, 'sh'] as const;

/** Without what set-up or a person has put on it. */
const PATH = '/usr/sbin:/usr/bin:/sbin:/bin';

const PROBLEM =
  `No virtiofsd in ${PLACES.join(', ')} or PATH: ` +
  'install it (Debian 13: package virtiofsd; Debian 12: qemu-system-common), or set "virtio_fs_daemon"';

/** A place of a host that is given no virtiofsd. */
async function hostPlace(): Promise<AsyncDisposable & { dir: string; configFile: string; state: string }> {
  const directory = await temporaryDirectory();
  const { path: dir } = directory;
  const [configFile, state] = [join(dir, 'config.toml'), join(dir, 'state')];
  await writeFile(configFile, `version = 1\nstate = "${state}"\nscratch_dir = "${state}"\n`);
  await mkdir(join(dir, 'source'));
  return { dir, configFile, state, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() };
}

const run = (...args: string[]): Promise<Ended> => {
  const [program, ...first] = WITHOUT;
  const command = [process.execPath, '--no-warnings', SHIM_VIRTIOFS];
  return execa(program, [...first, ...command, ...args], { env: { PATH }, reject: false });
};

describe('without virtiofsd', () => {
  test('check-config says where it looked and what helps', async () => {
    await using place = await hostPlace();
    const { exitCode, stdout, stderr } = await run('check-config', '--config', place.configFile);
    assert.deepEqual([exitCode, stdout], [2, '']);
    const table = `Invalid configuration "${place.configFile}": plugins."io.containerd.fsshare.v1.virtiofs"`;
    assert.equal(stderr, `shim-virtiofs: ${table}: ${PROBLEM}`);
  });

  test('run says it, and leaves nothing', async () => {
    await using place = await hostPlace();
    const args = ['--config', place.configFile, join(place.dir, 'source')];
    const { exitCode, stderr } = await run('run', ...args);
    assert.equal(exitCode, 1);
    assert.equal(stderr, `shim-virtiofs: Cannot start share "share": ${PROBLEM}`);
    assert.deepEqual(await leftovers(place.state), []);
  });

  test('open says it, on a host that goes on, and leaves nothing', async () => {
    await using place = await hostPlace();
    const command = [...WITHOUT, process.execPath, SHIM_VIRTIOFS];
    await using host = controllerHost(place, { command, env: { PATH } });
    await host.start();
    const { exitCode, stderr, stdout } = await run(
      'open',
      '--state',
      place.state,
      'sb',
      'work',
      join(place.dir, 'source'),
    );
    assert.deepEqual([exitCode, stdout], [4, '']);
    assert.equal(stderr, `shim-virtiofs: Cannot start share "work": ${PROBLEM}`);
    assert.equal((await run('ls', '--state', place.state)).stderr, 'No shares');
    assert.deepEqual(await leftovers(place.state), []);
  });

  test("the shim's host says it to containerd, and leaves nothing", async () => {
    await using place = await shimPlace({ shell: [...WITHOUT, 'sh'], env: { PATH } });
    const table = `[plugins."io.containerd.fsshare.v1.virtiofs"]\n${PATIENT_DAEMON}\n`;
    const config = `version = 1\nscratch_dir = "${place.state}"\n[[shares]]\ntag = "work"\n${table}`;
    await writeFile(place.configFile, config);
    await assert.rejects(place.createSandbox('sb'), {
      code: Code.NotFound,
      message: `Cannot start share "work": ${PROBLEM}`,
    });
    const left = await leftovers(place.state);
    assert.deepEqual(
      left.filter((name) => !name.startsWith('host.log')),
      [],
    );
  });
});
