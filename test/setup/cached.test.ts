import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, beforeEach, describe, mock, test } from 'node:test';
import { execa } from 'execa';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { cached } from './cached.ts';

describe('cached()', () => {
  let cache: string;
  const homes = new AsyncDisposableStack();
  const { signal } = new AbortController();
  mock.method(console, 'error', () => {});
  beforeEach(async () => {
    cache = join(homes.use(await temporaryDirectory()).path, 'cache');
    await mkdir(join(cache, 'lock'), { recursive: true });
  });
  after(() => mock.restoreAll());
  after(() => homes.disposeAsync());

  test('makes a part once, also for two callers at once', async () => {
    let calls = 0;
    const make = async (directory: string): Promise<void> => {
      calls += 1;
      await writeFile(join(directory, 'file'), 'content');
    };
    const options = { name: 'part-1', doing: 'Making part 1', cache, make };
    const directories = await Promise.all([cached(options, { signal }), cached(options, { signal })]);
    await cached(options, { signal });
    assert.deepEqual(directories, [join(cache, 'part-1'), join(cache, 'part-1')]);
    assert.equal(await readFile(join(cache, 'part-1/file'), 'utf8'), 'content');
    assert.equal(calls, 1);
  });

  test('leaves nothing of a part whose making failed, and makes it when asked again', async () => {
    const options = { name: 'part-1', doing: 'Making part 1', cache };
    await assert.rejects(cached({ ...options, make: fail }, { signal }), { message: 'no luck' });
    assert.deepEqual(await readdir(cache), ['lock']);
    await cached({ ...options, make: async () => {} }, { signal });
    assert.equal(existsSync(join(cache, 'part-1')), true);
  });

  test('removes what a killed process had begun and makes the part anew', async () => {
    const program = `
      import { cached } from ${JSON.stringify(import.meta.resolve('./cached.ts'))};
      const make = async () => {
        console.log('making');
        await new Promise((resolve) => setTimeout(resolve, 60_000));
      };
      const { signal } = new AbortController();
      await cached({ name: 'part-1', doing: 'Making', cache: ${JSON.stringify(cache)}, make }, { signal });`;
    const killed = execa(process.execPath, ['--input-type=module', '--eval', program], { reject: false });
    for await (const line of killed) if (line === 'making') killed.kill('SIGKILL');
    assert.match((await readdir(cache)).join(), /part-1\.tmp-/);
    await cached({ name: 'part-1', doing: 'Making part 1', cache, make: async () => {} }, { signal });
    assert.deepEqual((await readdir(cache)).toSorted(), ['lock', 'part-1']);
  });
});

async function fail(directory: string): Promise<void> {
  await writeFile(join(directory, 'half'), '');
  throw new Error('no luck');
}
