import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import * as library from 'containerd-shim-virtiofs';
import { Code } from 'ttrpc-ts';
import { parseConfig } from '../../../src/config/read.ts';
import { loadPlugins, type Plugins } from '../../../src/host/plugins/plugins.ts';
import { createSlots } from '../../../src/daemon/pool/slots.ts';
import { describeStateDirectory } from '../../../src/share/state-directory.ts';
import { captureLog } from '../../harness/captured-log.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { HOOKS, manifestOf, writePlugin } from '../../harness/test-plugin.ts';

const NAME = 'io.containerd.fsshare.v1.x';
const withSchema = `${manifestOf('x')}[config]\nschema = "schema"\n`;
const ownSchema = `
export const schema = { '~standard': { version: 1, vendor: 'own', validate: async (value) =>
  value.size > 0 ? { value: { size: value.size * 2 } } : { issues: [{ message: 'make it positive', path: [{ key: 'size' }] }] },
} };`;

const load = (directory: string, table?: Record<string, unknown>): Promise<Plugins> => {
  const plugins = table === undefined ? {} : { [NAME]: table };
  const config = parseConfig({ version: 1, plugin_dirs: [directory], plugins });
  const surroundings = { stateDir: describeStateDirectory('/nonexistent'), daemons: createSlots() };
  return loadPlugins(config, { configFile: 'test.toml', log: captureLog().log, ...surroundings });
};

/** Calls the plugin's create hook, which in these tests answers with whatever it likes. */
const callCreate = async (plugins: Plugins): Promise<Record<string, unknown>> =>
  (await plugins.call('sandbox.create', 'fs-x', {} as never)) as unknown as Record<string, unknown>;

suite('loadPlugins()', () => {
  test("gives a plugin anywhere the host's own instance of the library", async () => {
    await using directory = await temporaryDirectory();
    const code = `import * as library from 'containerd-shim-virtiofs';
      export const open = async () => ({ library }); export const close = async () => {};`;
    await writePlugin(directory.path, { id: 'x', code });
    const plugins = await load(directory.path);
    assert.equal((await callCreate(plugins))['library'], library);
  });

  test('gives a plugin what its own Standard Schema makes of its table', async () => {
    await using directory = await temporaryDirectory();
    const code = `${ownSchema} export const open = async ({ config }) => config; export const close = async () => {};`;
    await writePlugin(directory.path, { id: 'x', manifest: withSchema, code });
    assert.deepEqual(await callCreate(await load(directory.path, { size: 4 })), { size: 8 });
  });

  test("rejects a table that the plugin's own schema does not like, naming file and key", async () => {
    await using directory = await temporaryDirectory();
    await writePlugin(directory.path, { id: 'x', manifest: withSchema, code: ownSchema + HOOKS });
    await assert.rejects(load(directory.path, { size: 0 }), {
      name: 'ConfigError',
      code: Code.InvalidArgument,
      message: `Invalid configuration "test.toml": plugins."${NAME}".size: make it positive`,
    });
  });

  test('names the nearest key for one that the plugin of virtio-fs does not know', async () => {
    const config = {
      version: 1,
      plugins: { 'io.containerd.fsshare.v1.virtiofs': { virtio_fs_cahce: 'auto' } },
    };
    const surroundings = { stateDir: describeStateDirectory('/nonexistent'), daemons: createSlots() };
    await assert.rejects(
      loadPlugins(parseConfig(config), { configFile: 'test.toml', log: captureLog().log, ...surroundings }),
      {
        name: 'ConfigError',
        message:
          'Invalid configuration "test.toml": plugins."io.containerd.fsshare.v1.virtiofs".virtio_fs_cahce: unknown key; did you mean "virtio_fs_cache"?',
      },
    );
  });

  test('rejects a table for a plugin that has none, and one for no plugin', async () => {
    await using directory = await temporaryDirectory();
    await writePlugin(directory.path, { id: 'x' });
    await assert.rejects(load(directory.path, {}), {
      name: 'ConfigError',
      message: `Invalid configuration "test.toml": plugins."${NAME}": this plugin has no configuration: remove the table`,
    });
    await using empty = await temporaryDirectory();
    await assert.rejects(load(empty.path, {}), {
      name: 'ConfigError',
      message: /: no such plugin; (did|known)/,
    });
  });

  test('rejects a missing export, naming manifest, key and export', async () => {
    await using directory = await temporaryDirectory();
    const file = await writePlugin(directory.path, { id: 'x', code: 'export const open = () => {};' });
    await assert.rejects(load(directory.path), {
      name: 'ConfigError',
      message: `Invalid manifest "${file}": hooks."sandbox.delete": "plugin.mjs" exports no function "close"`,
    });
    await using other = await temporaryDirectory();
    const second = await writePlugin(other.path, { id: 'x', manifest: withSchema });
    await assert.rejects(load(other.path), {
      name: 'ConfigError',
      message: `Invalid manifest "${second}": config.schema: "plugin.mjs" exports no Standard Schema "schema"`,
    });
  });

  test('rejects a module that does not load, with the reason', async () => {
    await using directory = await temporaryDirectory();
    const file = await writePlugin(directory.path, { id: 'x', code: "throw new Error('out of order')" });
    await assert.rejects(load(directory.path), {
      name: 'ConfigError',
      message: `Invalid manifest "${file}": entry: "plugin.mjs" does not load: out of order`,
    });
  });

  test('rejects a default that nobody provides', async () => {
    const config = parseConfig({ version: 1, shared_fs: 'virtiofs' });
    const surroundings = { stateDir: describeStateDirectory('/nonexistent'), daemons: createSlots() };
    await assert.rejects(
      loadPlugins(config, { configFile: 'test.toml', log: captureLog().log, ...surroundings }),
      {
        name: 'ConfigError',
        message:
          'Invalid configuration "test.toml": shared_fs: No plugin provides "virtiofs"; did you mean "virtio-fs"?',
      },
    );
  });
});

suite('Plugins.call()', () => {
  test('answers Unimplemented for a hook that the manifest does not map', async () => {
    await using directory = await temporaryDirectory();
    const plugins = await load(directory.path);
    for (const hook of ['mount', 'unmount'] as const) {
      await assert.rejects(plugins.call(hook, 'virtio-fs', {} as never), {
        name: 'StatusError',
        code: Code.Unimplemented,
        message: `Plugin "io.containerd.fsshare.v1.virtiofs" implements no hook "${hook}"`,
      });
    }
  });

  test('rejects a value that nobody provides', async () => {
    await using directory = await temporaryDirectory();
    const plugins = await load(directory.path);
    await assert.rejects(plugins.call('sandbox.create', 'nfs', {} as never), {
      code: Code.InvalidArgument,
      message: /^No plugin provides "nfs"; (known|did)/,
    });
  });
});
