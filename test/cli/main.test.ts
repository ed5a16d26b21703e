import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { execa } from 'execa';
import { fileURLToPath } from 'node:url';
import { openHost } from '../../src/host/host.ts';
import { captureLog } from '../harness/captured-log.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

interface Ended {
  readonly exitCode?: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

const run = (...args: string[]): Promise<Ended> =>
  execa(process.execPath, [main, ...args], { reject: false, env: { NODE_NO_WARNINGS: '1' } });

suite('shim-virtiofs', () => {
  test('--help names commands, options and exit status', async () => {
    const { exitCode, stdout, stderr } = await run('--help');
    assert.deepEqual([exitCode, stderr], [0, '']);
    for (const word of ['serve', 'check-config', '--config', '--version', 'Exit status']) {
      assert.equal(stdout.includes(word), true, word);
    }
  });

  test('--version is that of the package', async () => {
    const { exitCode, stdout } = await run('--version');
    const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
    const { version } = JSON.parse(text) as { version: string };
    assert.deepEqual([exitCode, stdout], [0, `shim-virtiofs ${version}`]);
  });

  const wrong: [args: string[], problem: RegExp][] = [
    [['nonsense'], /^shim-virtiofs: Unknown command "nonsense"$/m],
    [[], /^shim-virtiofs: Name a command$/m],
    [['--nonsense'], /^shim-virtiofs: Unknown option '--nonsense'/m],
    [['serve', 'more'], /^shim-virtiofs: Unexpected argument "more"$/m],
    [['serve', '--idle-timeout-ms', 'soon'], /^shim-virtiofs: --idle-timeout-ms takes a positive number$/m],
  ];
  for (const [args, problem] of wrong) {
    test(`exits with 2 and points to --help for "${args.join(' ')}"`, async () => {
      const { exitCode, stdout, stderr } = await run(...args);
      assert.deepEqual([exitCode, stdout], [2, '']);
      assert.match(stderr, problem);
      assert.match(stderr, /^Try "shim-virtiofs --help"\.$/m);
    });
  }

  test('check-config says what a good configuration can open', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'config.toml');
    const state = join(directory.path, 'state');
    await writeFile(file, `version = 1\nstate = "${state}"\n`);
    const { exitCode, stdout } = await run('check-config', '--config', file);
    assert.equal(exitCode, 0);
    assert.match(
      stdout,
      /is valid; shares it can open: .*virtio-fs \(io\.containerd\.fsshare\.v1\.virtiofs\)/,
    );
    await assert.rejects(readFile(state), { code: 'ENOENT' });
  });

  test('check-config exits with 2 and names file, key and remedy for a bad one', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'config.toml');
    await writeFile(file, '[plugins."io.containerd.fsshare.v1.virtiofs"]\nvirtio_fs_cahce = "auto"\n');
    const first = await run('check-config', '-c', file);
    assert.deepEqual([first.exitCode, first.stdout], [2, '']);
    assert.equal(
      first.stderr,
      `shim-virtiofs: Invalid configuration "${file}": version: Invalid input: expected 1`,
    );
    await writeFile(
      file,
      'version = 1\n[plugins."io.containerd.fsshare.v1.virtiofs"]\nvirtio_fs_cahce = "auto"\n',
    );
    const second = await run('check-config', '-c', file);
    assert.equal(second.exitCode, 2);
    assert.match(second.stderr, /virtio_fs_cahce: unknown key; did you mean "virtio_fs_cache"\?$/);
  });

  test('check-config names a configuration that is missing', async () => {
    const { exitCode, stderr } = await run('check-config', '-c', '/nonexistent.toml');
    assert.equal(exitCode, 2);
    assert.match(stderr, /"\/nonexistent\.toml": there is no such file: create it$/);
  });

  test('serve exits with 1 while another host has the state directory', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'config.toml');
    await writeFile(file, `version = 1\nstate = "${directory.path}/state"\n`);
    await using _ = await openHost({ config: file, log: captureLog().log });
    const { exitCode, stderr } = await run('serve', '-c', file);
    assert.equal(exitCode, 1);
    assert.match(stderr, /^shim-virtiofs: Another host uses ".*": end it, or give this one/m);
  });
});
