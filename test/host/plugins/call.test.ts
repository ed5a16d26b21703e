import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as library from 'containerd-shim-virtiofs';
import * as forPlugins from 'containerd-shim-virtiofs/plugin';
import { z } from 'containerd-shim-virtiofs/zod';
import { Code } from 'ttrpc-ts';
import { parseConfig } from '../../../src/config/read.ts';
import { createDaemons } from '../../../src/daemon/pool/pool.ts';
import { loadPlugins, type PluginHost, type Plugins } from '../../../src/host/plugins/call.ts';
import { describeStateDirectory } from '../../../src/share/state-directory.ts';
import type { Share } from '../../../src/share/contract.ts';
import { captureLog } from '../../harness/captured-log.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { manifestOf, PROVIDER, writePlugin } from '../../harness/test-plugin.ts';

const NAME = 'io.containerd.fsshare.v1.x';
const withSchema = `${manifestOf('x')}[config]\nschema = "schema"\n`;
const ownSchema = `
export const schema = { '~standard': { version: 1, vendor: 'own', validate: async (value) =>
  value.size > 0 ? { value: { size: value.size * 2 } } : { issues: [{ message: 'make it positive', path: [{ key: 'size' }] }] },
} };`;

const hostParts = (): PluginHost => {
  const { log } = captureLog();
  const stateDir = describeStateDirectory('/nonexistent');
  const daemons = createDaemons({ log, socketDirectory: stateDir.socketDirectory });
  return { configFile: 'test.toml', log, stateDir, daemons };
};

const load = (directory: string, table?: Record<string, unknown>): Promise<Plugins> => {
  const plugins = table === undefined ? {} : { [NAME]: table };
  const config = parseConfig({ version: 1, plugin_dirs: [directory], plugins });

  return loadPlugins(config, hostParts());
};

/** Calls the plugin's create hook, which in these tests answers with whatever it likes. */
const callCreate = async (plugins: Plugins): Promise<Record<string, unknown>> =>
  (await plugins.call('sandbox.create', 'fs-x', {} as never, {})) as unknown as Record<string, unknown>;

describe('loadPlugins()', () => {
  test("gives a plugin anywhere the host's own instance of the library", async () => {
    await using directory = await temporaryDirectory();
    const code = `import * as library from 'containerd-shim-virtiofs';
      import * as forPlugins from 'containerd-shim-virtiofs/plugin';
      import { z } from 'containerd-shim-virtiofs/zod';
      export const create = () => ({ open: async () => ({ library, forPlugins, z }), close: async () => {} });`;
    await writePlugin(directory.path, { id: 'x', code });
    const plugins = await load(directory.path);
    const seen = await callCreate(plugins);
    assert.equal(seen['library'], library);
    assert.equal(seen['forPlugins'], forPlugins);
    assert.equal(seen['z'], z);
  });

  test('gives a plugin what its own Standard Schema makes of its table', async () => {
    await using directory = await temporaryDirectory();
    const code = `${ownSchema} export const create = ({ config }) => ({ open: async () => config, close: async () => {} });`;
    await writePlugin(directory.path, { id: 'x', manifest: withSchema, code });
    assert.deepEqual(await callCreate(await load(directory.path, { size: 4 })), { size: 8 });
  });

  test("rejects a table that the plugin's own schema does not like, naming file and key", async () => {
    await using directory = await temporaryDirectory();
    await writePlugin(directory.path, { id: 'x', manifest: withSchema, code: ownSchema + PROVIDER });
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

    await assert.rejects(loadPlugins(parseConfig(config), hostParts()), {
      name: 'ConfigError',
      message:
        'Invalid configuration "test.toml": plugins."io.containerd.fsshare.v1.virtiofs".virtio_fs_cahce: unknown key; did you mean "virtio_fs_cache"?',
    });
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

  test('rejects a missing export or method, naming manifest, key and what is missing', async () => {
    await using directory = await temporaryDirectory();
    const code = 'export const create = () => ({ open: async () => ({}) });';
    const file = await writePlugin(directory.path, { id: 'x', code });
    await assert.rejects(load(directory.path), {
      name: 'ConfigError',
      message: `Invalid manifest "${file}": hooks."sandbox.delete": what "create" returns has no method "close"`,
    });
    await using none = await temporaryDirectory();
    const first = await writePlugin(none.path, { id: 'x', code: 'export const open = () => {};' });
    await assert.rejects(load(none.path), {
      name: 'ConfigError',
      message: `Invalid manifest "${first}": provider: "plugin.mjs" exports no function "create"`,
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

    await assert.rejects(loadPlugins(config, hostParts()), {
      name: 'ConfigError',
      message:
        'Invalid configuration "test.toml": shared_fs: No plugin provides "virtiofs"; did you mean "virtio-fs"?',
    });
  });
});

describe('a provider', () => {
  test('is created once for its configuration and disposed of with it', async () => {
    await using directory = await temporaryDirectory();
    const code = `let created = 0; let disposed = 0;
      export const create = () => {
        created++;
        return { open: async () => ({ created, disposed }), close: async () => {},
          [Symbol.asyncDispose]: async () => { disposed++; } };
      };`;
    await writePlugin(directory.path, { id: 'x', code });
    const first = await load(directory.path);
    await callCreate(first);
    assert.deepEqual(await callCreate(first), { created: 1, disposed: 0 });
    const second = await load(directory.path);
    await first[Symbol.asyncDispose]();
    assert.deepEqual(await callCreate(second), { created: 2, disposed: 1 });
  });

  test('gets the providers of the plugins that its manifest requires, and no others', async () => {
    await using directory = await temporaryDirectory();
    await writePlugin(directory.path, { id: 'a' });
    const lines = 'requires = ["io.containerd.fsshare.v1.virtiofs"]';
    const code = `export const create = ({ required }) => ({
      open: async () => ({ required: [...required].map(([name, { openShare }]) => [name, typeof openShare]) }),
      close: async () => {} });`;
    await writePlugin(directory.path, { id: 'x', lines, code });
    const { required } = await callCreate(await load(directory.path));
    assert.deepEqual(required, [['io.containerd.fsshare.v1.virtiofs', 'function']]);
  });

  test('may be a class: its methods are called on it', async () => {
    await using directory = await temporaryDirectory();
    const code = `class Own { #secret = 'kept'; async open() { return { secret: this.#secret }; } async close() {} }
      export const create = async () => new Own();`;
    await writePlugin(directory.path, { id: 'x', code });
    assert.deepEqual(await callCreate(await load(directory.path)), { secret: 'kept' });
  });
});

describe('Plugins.call()', () => {
  test("closes a share by its disposal where the manifest maps no 'sandbox.delete'", async () => {
    await using directory = await temporaryDirectory();
    const manifest = manifestOf('x').replace('"sandbox.delete" = "close"', '');
    await writePlugin(directory.path, { id: 'x', manifest });
    await using plugins = await load(directory.path);
    let disposed = 0;
    const share = { [Symbol.asyncDispose]: async () => void disposed++ };
    await plugins.call('sandbox.delete', 'fs-x', share as unknown as Share);
    assert.equal(disposed, 1);
  });

  test('answers Unimplemented for a hook that the manifest does not map', async () => {
    await using directory = await temporaryDirectory();
    await writePlugin(directory.path, { id: 'x' });
    const plugins = await load(directory.path);
    for (const hook of ['mount', 'unmount'] as const) {
      await assert.rejects(plugins.call(hook, 'fs-x', ...([] as unknown as [never, never, never])), {
        name: 'StatusError',
        code: Code.Unimplemented,
        message: `Plugin "${NAME}" implements no "${hook}"`,
      });
    }
  });

  test('rejects a value that nobody provides', async () => {
    await using directory = await temporaryDirectory();
    const plugins = await load(directory.path);
    await assert.rejects(plugins.call('sandbox.create', 'nfs', {} as never, {}), {
      code: Code.InvalidArgument,
      message: /^No plugin provides "nfs"; (known|did)/,
    });
  });
});
