import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { connectGrpc } from '../../harness/containerd/grpc.ts';
import { controllerHost } from '../../harness/containerd/controller-host.ts';
import { createSandbox, removeSandbox } from '../../harness/containerd/sandboxes.ts';
import { specOf, startShimContainerd } from '../../harness/containerd/shim-containerd.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { makeNodeTree } from '../../setup/release/node-tree.ts';

// What a node gets: a bundle with a Node.js of its own, and neither npm nor this checkout. Needs root.

const tree = await temporaryDirectory();
await makeNodeTree(tree.path, { version: '9.8.7', nodeBinary: process.execPath });
const bin = join(tree.path, 'usr/bin');
/** Without Node.js on the PATH. */
const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };

const run = async (name: string, ...args: string[]): Promise<string> =>
  (await execa(join(bin, name), args, { env, extendEnv: false })).stdout;

describe('the tree of a node', () => {
  test('has commands that know their version and need nothing else', async () => {
    assert.equal(await run('shim-virtiofs', '--version'), 'shim-virtiofs 9.8.7');
    assert.match(await run('containerd-shim-virtiofs-v1', '-v'), /Version: 9\.8\.7/);
    const config = join(tree.path, 'config.toml');
    await writeFile(config, `version = 1\nscratch_dir = "${tree.path}/scratch"\n`);
    const checked = await run('shim-virtiofs', 'check-config', '--config', config);
    assert.match(checked, /virtio-fs-nydus.*virtio-fs /);
    const completion = join(tree.path, 'usr/share/bash-completion/completions/shim-virtiofs');
    await execa('bash', ['-n', completion]);
    const schema = JSON.parse(
      await readFile(join(tree.path, 'usr/share/containerd-shim-virtiofs/config.schema.json'), 'utf8'),
    ) as { properties: Record<string, unknown> };
    assert.ok('scratch_dir' in schema.properties);
  });

  for (const sandboxer of ['shim', 'virtiofs'] as const) {
    test(`serves containerd as its ${sandboxer === 'shim' ? 'shim' : 'sandbox controller'}`, async () => {
      await using containerd = await startShimContainerd({
        version: '2.4.2',
        shimDirectory: bin,
        config: '[grpc]',
        extraConfig: (dir) =>
          `[proxy_plugins.virtiofs]\n  type = "sandbox"\n  address = "${dir}/shim/grpc.sock"\n`,
      });
      await using host = controllerHost(containerd, { command: [join(bin, 'shim-virtiofs')], env });
      if (sandboxer !== 'shim') await host.start();
      using grpc = connectGrpc(containerd.address);
      const spec = specOf({ work: await containerd.source('work') });
      await createSandbox(grpc, { id: 'sb', spec, sandboxer });
      const [record] = await containerd.records();
      assert.equal(record?.owner, sandboxer === 'shim' ? 'shim' : 'controller');
      await removeSandbox(grpc, 'sb');
      assert.deepEqual(await containerd.leftovers(), []);
    });
  }

  test.after(() => tree[Symbol.asyncDispose]());
});
