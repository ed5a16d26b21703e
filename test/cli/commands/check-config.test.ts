import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { runShimVirtiofs } from '../../harness/shim-virtiofs.ts';
import { PROVIDER, writePlugin } from '../../harness/test-plugin.ts';
import { temporaryDirectory, type TemporaryDirectory } from '../../harness/temporary-directory.ts';

const run = (...args: string[]): ReturnType<typeof runShimVirtiofs> =>
  runShimVirtiofs('check-config', ...args);

/** A directory with `config.toml`. */
async function directoryWith(config: string): Promise<TemporaryDirectory & { file: string }> {
  const directory = await temporaryDirectory();
  const file = join(directory.path, 'config.toml');
  await writeFile(file, config);
  return { ...directory, file };
}

describe('shim-virtiofs check-config', () => {
  test('says what a good configuration can open, and makes no state', async () => {
    await using own = await directoryWith('version = 1\n');
    const state = join(own.path, 'state');
    for (const config of ['version = 1\n', `version = 1\nstate = "${state}"\n`]) {
      await writeFile(own.file, config);
      const { exitCode, stdout, stderr } = await run('--config', own.file, '--state', state);
      assert.deepEqual([exitCode, stderr], [0, '']);
      assert.match(
        stdout,
        /is valid; shares it can open: .*virtio-fs \(io\.containerd\.fsshare\.v1\.virtiofs\)/,
      );
    }
    assert.equal(existsSync(state), false);
  });

  test('exits with 2 and names file and key where there is no version', async () => {
    await using own = await directoryWith('state = "/x"\n');
    const { exitCode, stdout, stderr } = await run('-c', own.file);
    assert.deepEqual([exitCode, stdout], [2, '']);
    const problem = 'version: Invalid input: expected 1';
    assert.equal(stderr, `shim-virtiofs: Invalid configuration "${own.file}": ${problem}`);
  });

  test("exits with 2 and names the nearest key for an unknown one of a plugin's table", async () => {
    const table = '[plugins."io.containerd.fsshare.v1.virtiofs"]\nvirtio_fs_cahce = "auto"\n';
    await using own = await directoryWith(`version = 1\n${table}`);
    const { exitCode, stdout, stderr } = await run('-c', own.file);
    assert.deepEqual([exitCode, stdout], [2, '']);
    assert.match(stderr, /virtio_fs_cahce: unknown key; did you mean "virtio_fs_cache"\?$/);
  });

  test('exits with 2 and names both where the host is given another state directory', async () => {
    await using own = await directoryWith('version = 1\nstate = "/x/it\'s"\n');
    const { exitCode, stdout, stderr } = await run('-c', own.file, '--state', '/srv/a');
    assert.deepEqual([exitCode, stdout], [2, '']);
    assert.match(stderr, /config\.toml": state: "\/x\/it's" is not the state directory "\/srv\/a"/);
  });

  test('exits with 1 and says so where a plugin never finishes loading', async () => {
    await using own = await directoryWith('');
    await writePlugin(own.path, { id: 'endless', code: `await new Promise(() => {});\n${PROVIDER}` });
    await writeFile(own.file, `version = 1\nplugin_dirs = ["${own.path}"]\n`);
    const { exitCode, stdout, stderr } = await run('-c', own.file);
    assert.deepEqual([exitCode, stdout], [1, '']);
    assert.match(stderr, /^shim-virtiofs: check-config waits for what will never come: a plugin/m);
  });

  test('exits with 2 and names a configuration that is missing', async () => {
    const { exitCode, stderr } = await run('-c', '/nonexistent.toml');
    assert.equal(exitCode, 2);
    assert.match(stderr, /"\/nonexistent\.toml": there is no such file: create it$/);
  });
});
