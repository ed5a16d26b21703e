import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { runShimVirtiofs } from '../../harness/shim-virtiofs.ts';
import { executable, fixture } from '../../harness/fixtures.ts';
import { writePlugin } from '../../harness/test-plugin.ts';
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

const tableOf = (lines: string): string => `[plugins."io.containerd.fsshare.v1.virtiofs"]\n${lines}\n`;

const OLD = "#!/bin/sh\necho 'virtiofsd version 7.2.22'\n";

describe('shim-virtiofs check-config', () => {
  test('says what a good configuration can open, and makes no state', async () => {
    await using own = await directoryWith('version = 1\n');
    const state = join(own.path, 'state');
    const table = tableOf(`virtio_fs_daemon = "${fixture('waits')}"\nvirtio_fs_dialect = "rust"`);
    for (const config of [`version = 1\n${table}`, `version = 1\nstate = "${state}"\n${table}`]) {
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

  test('exits with 2 and names a configuration that is missing', async () => {
    const { exitCode, stderr } = await run('-c', '/nonexistent.toml');
    assert.equal(exitCode, 2);
    assert.match(stderr, /"\/nonexistent\.toml": there is no such file: create it$/);
  });

  test('exits with 2 and names the manifest of a plugin that never finishes loading', async () => {
    await using own = await directoryWith('');
    await writePlugin(own.path, { id: 'x', code: 'await new Promise(() => {});' });
    await writeFile(own.file, `version = 1\nplugin_dirs = ["${own.path}"]\nplugin_timeout_ms = 2000\n`);
    const { exitCode, stdout, stderr } = await run('-c', own.file);
    assert.deepEqual([exitCode, stdout], [2, '']);
    assert.match(stderr, /plugin\.toml": entry: ".*" did not finish loading within 2000 ms/);
  });

  test('exits with 2 where no share could be opened, naming the table and what is wrong', async () => {
    await using own = await directoryWith('');
    const old = await executable(join(own.path, 'old'), OLD);
    const odd = await executable(join(own.path, 'odd'), '#!/bin/sh\necho hello\n');
    const cases: [lines: string, problem: RegExp][] = [
      [
        'virtio_fs_daemon = "/nonexistent/virtiofsd"',
        /virtiofsd daemon "\/nonexistent\/virtiofsd" does not exist: /,
      ],
      ['virtio_fs_daemon = "/usr"', /virtiofsd daemon "\/usr" is not an executable file: /],
      ['virtio_fs_daemon = ""', /virtiofsd daemon path is empty: set "virtio_fs_daemon"$/],
      [`virtio_fs_daemon = "${odd}"`, /Cannot tell which virtiofsd ".*\/odd" is/],
      [
        `virtio_fs_daemon = "${old}"\nvirtio_fs_cache = "metadata"`,
        /The C virtiofsd has no cache mode "metadata"/,
      ],
      [
        `virtio_fs_daemon = "${old}"\nvirtio_fs_extra_args = ["--xattr"]`,
        /Extra argument "--xattr" of virtiofsd: /,
      ],
      [
        `virtio_fs_daemon = "${old}"\n[[shares]]\ntag = "a"\nsource = "/later"\n[[shares]]\ntag = "b"\nread_only = true`,
        /Share "b": The C virtiofsd has no read-only shares/,
      ],
      [
        `virtio_fs_daemon = "${old}"\n[[shares]]\ntag = "b"\ncache = "metadata"`,
        /Share "b": The C virtiofsd has no cache mode "metadata"/,
      ],
      [
        `virtio_fs_daemon = "${fixture('waits')}"\n[[shares]]\ntag = "b"\ncache = "none"`,
        /Share "b" asks for cache mode "none", which "virtio-fs" does not have/,
      ],
    ];
    for (const [lines, problem] of cases) {
      // oxlint-disable no-await-in-loop -- one file
      await writeFile(own.file, `version = 1\n${tableOf(lines)}`);
      const { exitCode, stdout, stderr } = await run('-c', own.file);
      assert.deepEqual([exitCode, stdout], [2, ''], lines);
      const start = `shim-virtiofs: Invalid configuration "${own.file}": plugins."io.containerd.fsshare.v1.virtiofs": `;
      assert.equal(stderr.startsWith(start), true, stderr);
      assert.match(stderr, problem);
      // oxlint-enable no-await-in-loop
    }
  });

  test('asks no plugin that no share needs, and exits with 2 where nobody provides what a share needs', async () => {
    await using own = await directoryWith('');
    await writePlugin(join(own.path, 'plugins'), { id: 'x' });
    const start = `version = 1\nplugin_dirs = ["${own.path}/plugins"]\nshared_fs = "fs-x"\n`;
    const broken = tableOf('virtio_fs_daemon = ""');
    await writeFile(own.file, start + broken);
    const unused = await run('-c', own.file);
    assert.deepEqual([unused.exitCode, unused.stderr], [0, '']);
    await writeFile(own.file, `${start}[[shares]]\ntag = "a"\nshared_fs = "fs-y"\n`);
    const { exitCode, stderr } = await run('-c', own.file);
    assert.equal(exitCode, 2);
    assert.match(stderr, /: shares: No plugin provides "fs-y"; did you mean "fs-x"\?$/);
  });

  test('exits with 2 and names the plugin whose check never ends', async () => {
    await using own = await directoryWith('');
    const code =
      'export const create = () => ({ open: async () => ({}), close: async () => {}, check: () => new Promise(() => {}) });';
    await writePlugin(join(own.path, 'plugins'), { id: 'x', code });
    const config = `version = 1\nplugin_dirs = ["${own.path}/plugins"]\nshared_fs = "fs-x"\nplugin_timeout_ms = 2000\n`;
    await writeFile(own.file, config);
    const { exitCode, stderr } = await run('-c', own.file);
    assert.equal(exitCode, 2);
    assert.match(
      stderr,
      /plugins\."io\.containerd\.fsshare\.v1\.x": did not finish checking within 2000 ms$/,
    );
  });

  test("exits with 2 where plugin_dirs names a plugin's own folder", async () => {
    await using own = await directoryWith('');
    await writePlugin(own.path, { id: 'x' });
    await writeFile(own.file, `version = 1\nplugin_dirs = ["${own.path}/x"]\n`);
    const { exitCode, stderr } = await run('-c', own.file);
    assert.equal(exitCode, 2);
    assert.match(stderr, /plugin_dirs: ".*\/x" is a plugin's own folder: name the directory around it$/);
  });
});
