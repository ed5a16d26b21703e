import assert from 'node:assert/strict';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, test } from 'node:test';
import { readConfig } from '../../src/config/read.ts';
import { discoverPlugins } from '../../src/host/plugins/discover.ts';
import { readShares } from '../../src/services/shim/bundle.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

/** What stands in files that only root may read, each with the word that must not get out. */
const FILES: readonly [what: string, text: string][] = [
  ['passwords', 'root:$y$j9T$hunter2:20000:0:99999:7:::\n'],
  ['a key', '-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n'],
  ['settings that are TOML', 'hunter2 = "hunter2"\n[hunter2]\nhunter2 = 1\n'],
  ['settings that are TOML, almost', 'password = "hunter2"\nhunter2 = "\\hunter2"\n'],
  ['a table twice', '[hunter2]\n[hunter2]\n'],
  ['JSON', '{"auths":{"hunter2":"hunter2"}}'],
  ['JSON, almost', '{"auths":hunter2}'],
  ['a word', 'hunter2'],
  ['a text', '"hunter2"'],
];

/** The error with its causes, as a log would show it. */
async function errorOf(action: () => unknown): Promise<string> {
  try {
    await action();
  } catch (error) {
    return inspect(error, { depth: Infinity });
  }
  return assert.fail('no error');
}

describe('a file that is named as what it is not', () => {
  for (const [what, text] of FILES) {
    test(`has nothing of it quoted, as configuration, manifest or spec: ${what}`, async () => {
      await using directory = await temporaryDirectory();
      const secret = join(directory.path, 'shadow');
      await writeFile(secret, text, { mode: 0o600 });
      const plugin = join(directory.path, 'plugins', 'stray');
      const bundle = join(directory.path, 'bundle');
      await mkdir(plugin, { recursive: true });
      await mkdir(bundle);
      await symlink(secret, join(plugin, 'plugin.toml'));
      await symlink(secret, join(bundle, 'config.json'));
      const errors = [
        await errorOf(() => readConfig(secret)),
        await errorOf(() => discoverPlugins([join(directory.path, 'plugins')])),
        ...(text.startsWith('{"auths":{') ? [] : [await errorOf(() => readShares(bundle))]),
      ];
      for (const error of errors) assert.doesNotMatch(error, /hunter2|PRIVATE/);
    });
  }

  test('still has the line and the column of a mistake named', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'config.toml');
    await writeFile(file, 'version = 1\nstate = /run\n');
    assert.throws(() => readConfig(file), {
      message: `Invalid configuration "${file}": Invalid TOML document: invalid value (line 2, column 9)`,
    });
  });
});
