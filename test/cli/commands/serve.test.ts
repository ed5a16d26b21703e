import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { openHost } from '../../../src/host/host.ts';
import { captureLog } from '../../harness/captured-log.ts';
import { eventually } from '../../harness/eventually.ts';
import { runShimVirtiofs, SHIM_VIRTIOFS } from '../../harness/shim-virtiofs.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';

describe('shim-virtiofs serve', () => {
  test('exits with 1 while another host has the state directory, named by option or by file', async () => {
    await using directory = await temporaryDirectory();
    const state = join(directory.path, 'state');
    const [file, other] = [join(directory.path, 'config.toml'), join(directory.path, 'other.toml')];
    await writeFile(file, `version = 1\nstate = "${state}"\nscratch_dir = "${state}"\n`);
    await writeFile(other, `version = 1\nscratch_dir = "${state}"\n`);
    await using _ = await openHost({ config: file, log: captureLog().log });
    for (const args of [
      ['-c', file],
      ['-c', other, '--state', state],
    ]) {
      const { exitCode, stderr } = await runShimVirtiofs('serve', ...args);
      assert.equal(exitCode, 1);
      assert.match(stderr, /^shim-virtiofs: Another host uses ".*": end it, or give this one/m);
    }
  });

  for (const [what, args, env] of [
    ["Node.js' debugger", ['--inspect=127.0.0.1:0'], {}],
    ["Node.js' debugger", [], { NODE_OPTIONS: '--inspect=127.0.0.1:0' }],
    ['NODE_OPTIONS', [], { NODE_OPTIONS: '--max-old-space-size=64' }],
  ] as const) {
    test(`exits with 2 where ${what} is set by ${args[0] ?? env.NODE_OPTIONS}, unless it is asked for`, async () => {
      await using directory = await temporaryDirectory();
      const state = join(directory.path, 'state');
      const command = [...args, '--no-warnings', SHIM_VIRTIOFS, 'serve', '--state', state];
      const allowed = { CONTAINERD_SHIM_VIRTIOFS_ALLOW_NODE_OPTIONS: '1' };
      const refused = await execa(process.execPath, command, { reject: false, env });
      assert.equal(refused.exitCode, 2);
      assert.match(
        refused.stderr,
        new RegExp(`^shim-virtiofs: ${what} is set, and .*: unset it, or set`, 'm'),
      );
      assert.equal(existsSync(state), false);
      const file = join(directory.path, 'wrong.toml');
      await writeFile(file, 'version = 3\n');
      const read = await execa(process.execPath, [...command, '-c', file], {
        reject: false,
        env: { ...env, ...allowed },
      });
      assert.match(read.stderr, /Invalid configuration/);
    });
  }

  test('exits with 2 where it is to announce itself and has no pipe for it', async () => {
    await using directory = await temporaryDirectory();
    const state = join(directory.path, 'state');
    const { exitCode, stderr } = await runShimVirtiofs('serve', '--announce', '--state', state);
    assert.equal(exitCode, 2);
    assert.match(stderr, /^shim-virtiofs: --announce needs a pipe as descriptor 3$/m);
    assert.equal(existsSync(state), false);
  });

  test('exits with 2 for options of a take-over without one, and for a limit that is none', async () => {
    for (const [args, problem] of [
      [['--force'], '--force needs --take-over'],
      [['--take-over-timeout-ms', '5'], '--take-over-timeout-ms needs --take-over'],
      [['--take-over', '--take-over-timeout-ms', '0'], '--take-over-timeout-ms takes a positive number'],
      [['--idle-timeout-ms', 'x'], '--idle-timeout-ms takes a positive number'],
    ] as const) {
      const { exitCode, stderr } = await runShimVirtiofs('serve', '--state', '/nonexistent/state', ...args);
      assert.deepEqual([exitCode, stderr.split('\n')[0]], [2, `shim-virtiofs: ${problem}`]);
    }
  });

  test('hands on no descriptor that it was started with, however high', async () => {
    await using directory = await temporaryDirectory();
    const stray = join(directory.path, 'stray');
    const config = join(directory.path, 'config.toml');
    await writeFile(config, `version = 1\nscratch_dir = "${directory.path}/scratch"\n`);
    const command = [process.execPath, '--no-warnings', SHIM_VIRTIOFS, 'serve', '-c', config];
    const state = join(directory.path, 'state');
    const opened = 'exec 40>"$0" 90>"$0"; exec "$@"';
    const host = execa('bash', ['-c', opened, stray, ...command, '--state', state], { reject: false });
    try {
      await eventually('the host serves', () => existsSync(join(state, 'host.address')));
      const pid = host.pid ?? 0;
      const processes = [pid, ...(await childrenOf(pid))];
      // The one that holds the lock at least.
      assert.ok(processes.length > 1);
      const targets = await Promise.all(processes.map(targetsOf));
      assert.deepEqual(
        targets.flat().filter((target) => target === stray),
        [],
      );
    } finally {
      host.kill('SIGTERM');
    }
    assert.equal((await host).exitCode, 0);
  });

  test('exits with 2, names both and makes neither where the file says another state directory', async () => {
    await using directory = await temporaryDirectory();
    const [own, given] = [join(directory.path, 'own'), join(directory.path, 'given')];
    const file = join(directory.path, 'config.toml');
    await writeFile(file, `version = 1\nstate = "${own}"\n`);
    const { exitCode, stdout, stderr } = await runShimVirtiofs('serve', '-c', file, '--state', given);
    assert.deepEqual([exitCode, stdout], [2, '']);
    assert.equal(
      stderr,
      `shim-virtiofs: Invalid configuration "${file}": state: "${own}" is not the state directory "${given}" that ` +
        `this host is given: remove the key, or give the host "${own}" (--state, CONTAINERD_SHIM_VIRTIOFS_STATE)`,
    );
    assert.deepEqual([existsSync(own), existsSync(given)], [false, false]);
  });
});

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.split(' ').filter(Boolean).map(Number);
}

async function targetsOf(pid: number): Promise<string[]> {
  const names = await readdir(`/proc/${pid}/fd`);
  return Promise.all(names.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')));
}
