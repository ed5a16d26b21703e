import assert from 'node:assert/strict';
import { chmod, chown, mkdir, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

// Needs root.

const { href } = new URL('../../src/cli/compile-cache.ts', import.meta.url);

/** Imports a module with that directory, and resolves to where its compiled code goes. */
async function directoryOf(
  directory: string,
  { env = {} }: { env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  const program = `import { getCompileCacheDir } from 'node:module';
    import { useCompileCache } from ${JSON.stringify(href)};
    process.umask(0);
    useCompileCache(${JSON.stringify(directory)});
    await import(${JSON.stringify(new URL('../../src/errors.ts', import.meta.url).href)});
    console.log(getCompileCacheDir() ?? '', process.umask());`;
  const inherited = { NODE_DISABLE_COMPILE_CACHE: undefined, ...env };
  const { stdout } = await execa(process.execPath, ['--input-type=module', '--eval', program], {
    env: inherited,
  });
  const [found = '', umask] = stdout.split(' ');
  assert.equal(umask, '0');
  return found;
}

describe('useCompileCache()', () => {
  test("fills a directory of this user's, and no other user can write what is in it", async () => {
    await using place = await temporaryDirectory();
    const cache = join(place.path, 'cache');
    await mkdir(cache, { mode: 0o755 });
    const found = await directoryOf(cache);
    assert.ok(found.startsWith(`${cache}/`), found);
    const names = await readdir(cache, { recursive: true });
    assert.ok(names.length > 1);
    for (const name of names) assert.equal((await stat(join(cache, name))).mode & 0o022, 0, name);
  });

  const others: Record<string, (cache: string) => Promise<unknown>> = {
    'is not there': async () => {},
    'others can write to': async (cache) => {
      await mkdir(cache);
      await chmod(cache, 0o775);
    },
    "is another user's": async (cache) => {
      await mkdir(cache);
      await chown(cache, 65_534, 65_534);
    },
    'a link leads to': async (cache) => {
      await mkdir(`${cache}.real`);
      await symlink(`${cache}.real`, cache);
    },
    'is a file': (cache) => writeFile(cache, ''),
  };
  for (const [what, make] of Object.entries(others)) {
    test(`leaves alone what ${what}`, async () => {
      await using place = await temporaryDirectory();
      const cache = join(place.path, 'cache');
      await make(cache);
      assert.equal(await directoryOf(cache), '');
      assert.deepEqual(await readdir(place.path, { recursive: true }), await readdir(place.path));
    });
  }

  test('leaves the choice to who has chosen', async () => {
    await using place = await temporaryDirectory();
    const [cache, own] = [join(place.path, 'cache'), join(place.path, 'own')];
    await mkdir(cache, { mode: 0o755 });
    assert.ok((await directoryOf(cache, { env: { NODE_COMPILE_CACHE: own } })).startsWith(`${own}/`));
    assert.equal(await directoryOf(cache, { env: { NODE_DISABLE_COMPILE_CACHE: '1' } }), '');
    assert.deepEqual(await readdir(cache), []);
  });
});
