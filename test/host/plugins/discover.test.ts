import assert from 'node:assert/strict';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { discoverPlugins } from '../../../src/host/plugins/discover.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { manifestOf, writePlugin } from '../../harness/test-plugin.ts';

const type = 'io.containerd.fsshare.v1';
const names = async (directories: readonly string[]): Promise<string[]> =>
  (await discoverPlugins(directories)).map(({ name }) => name);

describe('discoverPlugins()', () => {
  test('finds the built-in plugin', async () => {
    assert.equal((await names([])).includes(`${type}.virtiofs`), true);
  });

  test('finds the folders of directories, through links too, and passes over what is no plugin', async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await writePlugin(join(path, 'elsewhere'), { id: 'linked' });
    await writePlugin(join(path, 'plugins'), { id: 'here' });
    await symlink('../elsewhere/linked', join(path, 'plugins', 'linked'));
    await mkdir(join(path, 'plugins', 'empty'));
    await writeFile(join(path, 'plugins', 'README'), '');
    const builtIn = await names([]);
    assert.deepEqual(
      (await names([join(path, 'plugins')])).filter((name) => !builtIn.includes(name)),
      [`${type}.here`, `${type}.linked`],
    );
  });

  test('puts what a plugin requires before it', async () => {
    await using directory = await temporaryDirectory();
    await writePlugin(directory.path, { id: 'a', lines: `requires = ["${type}.c", "${type}.virtiofs"]` });
    await writePlugin(directory.path, { id: 'b' });
    await writePlugin(directory.path, { id: 'c', lines: `requires = ["${type}.b"]` });
    const order = (await names([directory.path])).filter((name) => /\.[abc]$/.test(name));
    assert.deepEqual(order, [`${type}.b`, `${type}.c`, `${type}.a`]);
  });

  test('puts every other plugin of a type before the one that requires the type', async () => {
    await using directory = await temporaryDirectory();
    await writePlugin(directory.path, { id: 'a', lines: `requires = ["${type}"]` });
    await writePlugin(directory.path, { id: 'b' });
    assert.equal((await names([directory.path])).at(-1), `${type}.a`);
  });

  test('rejects a cycle, naming its way', async () => {
    await using directory = await temporaryDirectory();
    const file = await writePlugin(directory.path, { id: 'a', lines: `requires = ["${type}.b"]` });
    await writePlugin(directory.path, { id: 'b', lines: `requires = ["${type}.a"]` });
    await assert.rejects(discoverPlugins([directory.path]), {
      name: 'ConfigError',
      message: `Invalid manifest "${file}": requires: a cycle: ${type}.a → ${type}.b → ${type}.a`,
    });
  });

  test('rejects a plugin that requires itself', async () => {
    await using directory = await temporaryDirectory();
    await writePlugin(directory.path, { id: 'a', lines: `requires = ["${type}.a"]` });
    await assert.rejects(discoverPlugins([directory.path]), { name: 'ConfigError', message: /a cycle/ });
  });

  test('rejects what is required and missing, with the nearest name', async () => {
    await using directory = await temporaryDirectory();
    const file = await writePlugin(directory.path, { id: 'a', lines: `requires = ["${type}.virtiofsd"]` });
    await assert.rejects(discoverPlugins([directory.path]), {
      name: 'ConfigError',
      message: `Invalid manifest "${file}": requires: no plugin "${type}.virtiofsd"; did you mean "${type}.virtiofs"?`,
    });
  });

  test('rejects an id and a value that another plugin has, naming both files', async () => {
    await using directory = await temporaryDirectory();
    const first = await writePlugin(directory.path, { id: 'a' });
    const sameId = manifestOf('a').replace('fs-a', 'fs-other');
    const second = await writePlugin(directory.path, { id: 'b', manifest: sameId });
    await assert.rejects(discoverPlugins([directory.path]), {
      name: 'ConfigError',
      key: 'id',
      message: `Invalid manifest "${second}": id: "${type}.a" is taken by "${first}"`,
    });
    await writePlugin(directory.path, { id: 'b', manifest: manifestOf('b').replace('fs-b', 'virtio-fs') });
    await assert.rejects(discoverPlugins([directory.path]), {
      key: 'provides',
      message:
        /^Invalid manifest ".*\/b\/plugin.toml": provides: "virtio-fs" is taken by ".*virtiofs\/plugin.toml"$/,
    });
  });

  test('rejects a directory that cannot be read', async () => {
    await assert.rejects(discoverPlugins(['/nonexistent']), {
      name: 'ConfigError',
      message: 'Invalid manifest "/nonexistent": the directory cannot be read: correct plugin_dirs',
    });
  });
});
