import assert from 'node:assert/strict';
import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { readManifest } from '../../../src/host/plugins/manifest.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { manifestOf, writePlugin } from '../../harness/test-plugin.ts';

const right = manifestOf('x');

describe('readManifest()', () => {
  test('reads a manifest and names the plugin by type and id', async () => {
    await using directory = await temporaryDirectory();
    const file = await writePlugin(directory.path, { id: 'x' });
    assert.deepEqual(await readManifest(file), {
      manifest_version: 1,
      type: 'io.containerd.fsshare.v1',
      id: 'x',
      version: '1.0.0',
      entry: 'plugin.mjs',
      requires: [],
      provides: ['fs-x'],
      provider: 'create',
      hooks: { 'sandbox.create': 'open', 'sandbox.delete': 'close' },
      file,
      entryPath: join(directory.path, 'x', 'plugin.mjs'),
      name: 'io.containerd.fsshare.v1.x',
    });
  });

  test('takes a manifest without a version, as those that come with the host are', async () => {
    await using directory = await temporaryDirectory();
    const manifest = right.replace(/^version = .*\n/m, '');
    const file = await writePlugin(directory.path, { id: 'x', manifest });
    assert.equal('version' in (await readManifest(file)), false);
  });

  const mistakes: [what: string, manifest: string, key: string, problem: RegExp][] = [
    ['an unknown key', `autor = "me"\n${right}`, 'autor', /^unknown key; known: manifest_version, type, id,/],
    ['a misspelt key', right.replace('provides', 'provide'), 'provides', /expected array/],
    [
      'an unknown hook',
      `${right}"sandbox.creat" = "open"\n`,
      'hooks."sandbox.creat"',
      /did you mean "sandbox.create"\?/,
    ],
    ['a reserved hook', `${right}"sandbox.checkpoint" = "x"\n`, 'hooks."sandbox.checkpoint"', /^unknown key/],
    [
      'an unknown key of the table',
      `${right}[config]\nschema = "s"\nshcema = "t"\n`,
      'config.shcema',
      /"schema"\?/,
    ],
    [
      'a missing hook',
      right.replace('"sandbox.create" = "open"', ''),
      'hooks."sandbox.create"',
      /expected string/,
    ],
    ['a missing entry', right.replace(/entry = .*/, ''), 'entry', /expected string/],
    [
      'another type',
      right.replace('fsshare.v1', 'fsshare.v9'),
      'type',
      /expected "io.containerd.fsshare.v1"/,
    ],
    [
      'another version',
      right.replace('manifest_version = 1', 'manifest_version = 2'),
      'manifest_version',
      /expected 1/,
    ],
    ['a wrong type', right.replace('id = "x"', 'id = 5'), 'id', /expected string, received number/],
    ['an id with a dot', right.replace('id = "x"', 'id = "x.y"'), 'id', /^use no "\."/],
    ['an empty list of what it provides', right.replace('["fs-x"]', '[]'), 'provides', /./],
    ['what is not TOML', 'manifest_version = = 1', '', /Invalid TOML/],
    [
      'an entry that is missing',
      right.replace('plugin.mjs', 'other.mjs'),
      'entry',
      /^"other.mjs" does not exist in /,
    ],
    [
      'an entry outside by ..',
      right.replace('plugin.mjs', '../outside.mjs'),
      'entry',
      /^"\.\.\/outside.mjs" is outside /,
    ],
    [
      'an entry outside by a link',
      right.replace('plugin.mjs', 'link.mjs'),
      'entry',
      /^"link.mjs" is outside /,
    ],
    ['an entry that is its own folder', right.replace('plugin.mjs', '.'), 'entry', /^"\." is outside /],
  ];
  for (const [what, manifest, key, problem] of mistakes) {
    test(`rejects ${what}, naming file and key`, async () => {
      await using directory = await temporaryDirectory();
      await writeFile(join(directory.path, 'outside.mjs'), '');
      const file = await writePlugin(directory.path, { id: 'x', manifest });
      await symlink('../outside.mjs', join(directory.path, 'x', 'link.mjs'));
      await assert.rejects(
        readManifest(file),
        (error: Error & { code: unknown; file: unknown; key: unknown }) => {
          const { name, code, message } = error;
          assert.deepEqual(
            [name, code, error.file, error.key],
            ['ConfigError', Code.InvalidArgument, file, key],
          );
          const prefix = `Invalid manifest "${file}"${key ? `: ${key}` : ''}: `;
          assert.equal(message.startsWith(prefix), true, message);
          assert.match(message.slice(prefix.length), problem);
          return true;
        },
      );
    });
  }

  test('rejects a file that cannot be read', async () => {
    await assert.rejects(readManifest('/nonexistent/plugin.toml'), {
      name: 'ConfigError',
      message: /ENOENT/,
    });
  });
});
