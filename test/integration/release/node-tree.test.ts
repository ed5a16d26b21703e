import assert from 'node:assert/strict';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { connectGrpc } from '../../harness/containerd/grpc.ts';
import { controllerHost } from '../../harness/containerd/controller-host.ts';
import { createSandbox, removeSandbox } from '../../harness/containerd/sandboxes.ts';
import { specOf, startShimContainerd } from '../../harness/containerd/shim-containerd.ts';
import { TELL_MODULES, toldModules } from '../../harness/tell-modules.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { obtain } from '../../setup/obtain.ts';
import { makeNodeTree } from '../../setup/release/node-tree.ts';
import { root } from '../../setup/release/root.ts';

// What a node gets: a bundle with a Node.js of its own, and neither npm nor this checkout. Needs root.

const tree = await temporaryDirectory();
await makeNodeTree(tree.path, { version: '9.8.7', nodeBinary: process.execPath });
const bin = join(tree.path, 'usr/bin');
/** Without Node.js on the PATH. */
const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };

const { path: daemon } = await obtain('virtiofsd');
const VIRTIOFS = `[plugins."io.containerd.fsshare.v1.virtiofs"]\nvirtio_fs_daemon = "${daemon}"\n`;

const run = async (name: string, ...args: string[]): Promise<string> =>
  (await execa(join(bin, name), args, { env, extendEnv: false })).stdout;

describe('the tree of a node', () => {
  test('has commands that know their version and need nothing else', async () => {
    assert.equal(await run('shim-virtiofs', '--version'), 'shim-virtiofs 9.8.7');
    assert.match(await run('containerd-shim-virtiofs-v1', '-v'), /Version: 9\.8\.7/);
    const config = join(tree.path, 'config.toml');
    await writeFile(config, `version = 1\nscratch_dir = "${tree.path}/scratch"\n${VIRTIOFS}`);
    const checked = await run('shim-virtiofs', 'check-config', '--config', config);
    assert.match(checked, /virtio-fs-nydus.*virtio-fs /);
    const completion = join(tree.path, 'usr/share/bash-completion/completions/shim-virtiofs');
    await execa('bash', ['-n', completion]);
    const schema = JSON.parse(
      await readFile(join(tree.path, 'usr/share/containerd-shim-virtiofs/config.schema.json'), 'utf8'),
    ) as { properties: Record<string, unknown> };
    assert.ok('scratch_dir' in schema.properties);
  });

  test('has the licences of all that is in it, and a bill of that', async () => {
    const document = join(tree.path, 'usr/share/doc/containerd-shim-virtiofs');
    const copyright = await readFile(join(document, 'copyright'), 'utf8');
    for (const text of ['\nzod\n\nMIT License', 'Node.js is licensed for use as follows', '- V8, located at'])
      assert.ok(copyright.includes(text), text);
    const { components } = JSON.parse(await readFile(join(document, 'sbom.cdx.json'), 'utf8')) as {
      components: { name: string }[];
    };
    for (const { name } of components)
      assert.ok(name === 'node' || copyright.includes(`\n${name}\n\n`), name);
  });

  test("gives a plugin of an operator's own the whole schema library, which it does not load for itself", async () => {
    const directory = join(tree.path, 'operator');
    await cp(join(root, 'examples/provider/frozen'), join(directory, 'plugins/frozen'), { recursive: true });
    const config = join(directory, 'config.toml');
    const checkConfig = ['check-config', '--config', config];
    const own = `version = 1\nscratch_dir = "${directory}/scratch"\n`;
    const table = `${VIRTIOFS}[plugins."io.containerd.fsshare.v1.frozen"]\n`;
    const withPlugin = `${own}plugin_dirs = ["${directory}/plugins"]\n${table}`;
    const isWhole = async (): Promise<boolean> => {
      const options = { env: { ...env, NODE_OPTIONS: TELL_MODULES }, extendEnv: false };
      const { stderr } = await execa(join(bin, 'shim-virtiofs'), checkConfig, options);
      const files = toldModules(stderr);
      assert.ok(files.some((file) => file.endsWith('/plugin/virtiofs/index.js')));
      const texts = await Promise.all(files.map((file) => readFile(fileURLToPath(file), 'utf8')));
      return texts.some((text) => /[`"']ZodObject[`"']|Ungültige Eingabe/.test(text));
    };
    await writeFile(config, `${own}${VIRTIOFS}`);
    assert.equal(await isWhole(), false);
    const valid = `${withPlugin}copy_dir = "${directory}/copies"\n`;
    await writeFile(config, valid);
    assert.equal(await isWhole(), true);
    await writeFile(config, `${valid}copy_dri = ""\n`);
    await assert.rejects(run('shim-virtiofs', ...checkConfig), {
      exitCode: 2,
      stderr: /frozen"\.copy_dri: unknown key; did you mean "copy_dir"\?/,
    });
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
