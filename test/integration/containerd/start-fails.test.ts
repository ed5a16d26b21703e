import assert from 'node:assert/strict';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { startContainerd } from '../../harness/containerd/containerd.ts';
import { containerdVersions } from '../../harness/containerd/containerd-binaries.ts';
import { startShimContainerd } from '../../harness/containerd/shim-containerd.ts';
import { SHIM_DIRECTORY } from '../../harness/program.ts';
import { executable } from '../../harness/fixtures.ts';
import { isGone } from '../../harness/leftovers.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';

// A `start` that cannot start a host: who calls ctr reads why, and can go on once it is mended. Needs root.

for (const version of containerdVersions) {
  describe(`ctr sandboxes run of containerd ${version} says why no host starts`, () => {
    test('a mistake in the configuration', async () => {
      await using containerd = await startShimContainerd({ version, config: 'plugin_dirz = []' });
      const sources = { work: await containerd.source('work') };
      const { code, stderr } = await containerd.run('sb', sources);
      assert.equal(code, 1);
      const reason = `cannot start the host: Invalid configuration "${containerd.configFile}": plugin_dirz:`;
      assert.ok(stderr.includes(reason), stderr);
      assert.deepEqual(await containerd.processes(), []);

      const text = await readFile(containerd.configFile, 'utf8');
      await writeFile(containerd.configFile, text.replace('plugin_dirz = []', ''));
      assert.equal((await containerd.ctr(['sandboxes', 'rm', 'sb'])).code, 0);
      assert.equal((await containerd.run('sb', sources)).code, 0);
    });

    test('no Node.js', async () => {
      await using place = await temporaryDirectory();
      const plugin = join(place.path, 'plugin');
      await mkdir(plugin);
      await symlink(join(SHIM_DIRECTORY, '../src'), join(place.path, 'src'));
      const script = await readFile(join(SHIM_DIRECTORY, 'containerd-shim-virtiofs-v1'));
      await executable(join(plugin, 'containerd-shim-virtiofs-v1'), script);
      // It comes before any real one in PATH, and is what a machine has that never had another.
      await executable(join(plugin, 'node'), '#!/bin/sh\necho v20.20.2\n');
      const CONTAINERD_SHIM_VIRTIOFS_CONFIG = join(place.path, 'config.toml');
      await writeFile(CONTAINERD_SHIM_VIRTIOFS_CONFIG, 'version = 1\n');
      const CONTAINERD_SHIM_VIRTIOFS_STATE = join(place.path, 'state');
      const env = { CONTAINERD_SHIM_VIRTIOFS_CONFIG, CONTAINERD_SHIM_VIRTIOFS_STATE };
      await using containerd = await startContainerd({ version, path: [plugin], env });
      const spec = join(place.path, 'spec.json');
      await writeFile(spec, '{}');
      const run = ['sandboxes', 'run', '--runtime', 'io.containerd.virtiofs.v1', spec, 'sb'];
      const { code, stderr } = await containerd.ctr(run);
      assert.equal(code, 1);
      assert.match(
        stderr,
        /no Node\.js 24 or newer in CONTAINERD_SHIM_VIRTIOFS_NODE, .* or PATH: "\/.*" is v20\.20\.2, and this needs/,
      );
      assert.deepEqual(await containerd.processes(), []);
    });

    test('a container, which this runtime does not run', async () => {
      await using containerd = await startShimContainerd({ version });
      await mkdir(join(containerd.dir, 'rootfs'));
      const run = [
        'run',
        '--runtime',
        'io.containerd.virtiofs.v1',
        '--rootfs',
        join(containerd.dir, 'rootfs'),
      ];
      const { code, stderr } = await containerd.ctr([...run, 'c1', 'true']);
      assert.equal(code, 1);
      assert.match(stderr, /runs sandboxes, not containers: use "ctr sandboxes run"/);
      assert.deepEqual(await containerd.processes(), []);
    });

    test('a container in a sandbox of its own, which lives on', async () => {
      await using containerd = await startShimContainerd({ version });
      const rootfs = join(containerd.dir, 'rootfs');
      await mkdir(rootfs);
      await containerd.run('sb', { work: await containerd.source('work') });
      const run = ['run', '--runtime', 'io.containerd.virtiofs.v1', '--sandbox', 'sb', '--rootfs', rootfs];
      const { code, stderr } = await containerd.ctr([...run, 'c1', 'true']);
      assert.equal(code, 1);
      assert.match(
        stderr,
        /This shim shares directories with sandboxes and runs no containers: use a runtime/,
      );
      assert.doesNotMatch(stderr, /containerd\.task\.v2/);
      const [record] = await containerd.records();
      assert.ok(record && !isGone(record.pid));
      assert.equal((await containerd.ctr(['sandboxes', 'rm', 'sb'])).code, 0);
      assert.deepEqual(await containerd.leftovers(), []);
    });
  });
}
