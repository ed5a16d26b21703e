import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { execa } from 'execa';
import { keepProgram } from '../../src/cli/keep-program.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

const KEEP_PROGRAM = new URL('../../src/cli/keep-program.ts', import.meta.url).href;

/** Keeps the release that it stands beside, and imports of it what it is told to. */
const MAIN = `import { createInterface } from 'node:readline';
import { keepProgram } from '${KEEP_PROGRAM}';
import './release/src/loaded.js';
keepProgram(process.argv[2]);
console.log('kept');
for await (const name of createInterface(process.stdin)) {
  const { words } = await import(name).catch(({ code }) => ({ words: code }));
  console.log(words);
}
`;

/** A release whose module `src/lazy.js` imports one that is loaded and one that is not. */
async function writeRelease(directory: string, version: string): Promise<void> {
  const files = {
    'package.json': '{ "type": "module" }',
    'src/loaded.js': `export const loaded = globalThis.loaded ??= 'loaded ${version}';`,
    'src/chunk.js': `export const chunk = 'chunk ${version}';`,
    'src/lazy.js': `import { loaded } from './loaded.js';
import { chunk } from './chunk.js';
import { sep } from 'node:path';
export const words = ['lazy ${version}', loaded, chunk, sep].join();`,
    'plugin/some/index.js': `export { words } from '../../src/lazy.js';`,
  };
  for (const [name, text] of Object.entries(files)) {
    const path = join(directory, name);
    // oxlint-disable no-await-in-loop -- a few
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
    // oxlint-enable no-await-in-loop
  }
}

function targetOf(fd: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    // The descriptor of the listing itself.
    return undefined;
  }
}

describe('keepProgram()', () => {
  const ways = {
    'has been removed': (release: string) => rm(release, { recursive: true }),
    'has become another version': async (release: string) => {
      await writeRelease(`${release}.new`, '2');
      await rm(release, { recursive: true });
      await rename(`${release}.new`, release);
    },
    'is as it was': async () => {},
  };
  for (const [what, change] of Object.entries(ways)) {
    test(`lets modules be imported where the release ${what}`, async () => {
      await using place = await temporaryDirectory();
      const release = join(place.path, 'release');
      await writeRelease(release, '1');
      const main = join(place.path, 'main.mjs');
      await writeFile(main, MAIN);
      const host = execa(process.execPath, [main, release], { reject: false });
      using _ = { [Symbol.dispose]: () => void host.kill('SIGKILL') };
      const lines = host.iterable()[Symbol.asyncIterator]();
      assert.equal((await lines.next()).value, 'kept');
      await change(release);
      const answers: unknown[] = [];
      for (const name of ['plugin/some/index.js', 'src/never.js']) {
        host.stdin.write(`${pathToFileURL(join(release, name)).href}\n`);
        // oxlint-disable-next-line no-await-in-loop -- one after the other
        answers.push((await lines.next()).value);
      }
      assert.deepEqual(answers, ['lazy 1,loaded 1,chunk 1,/', 'ERR_MODULE_NOT_FOUND']);
      host.stdin.end();
      assert.equal((await host).exitCode, 0);
    });
  }

  test('holds nothing where it cannot open all', async () => {
    await using place = await temporaryDirectory();
    const release = join(place.path, 'release');
    await writeRelease(release, '1');
    const missing = join(release, 'src/zzz.js');
    await symlink('nowhere', missing);
    const held = (): string[] =>
      readdirSync('/proc/self/fd').filter((fd) => targetOf(fd)?.startsWith(release));
    assert.throws(() => keepProgram(release), { code: 'ENOENT', path: missing });
    assert.deepEqual(held(), []);
  });
});
