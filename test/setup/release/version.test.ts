import assert from 'node:assert/strict';
import { glob, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { SetupError } from '../setup-error.ts';
import { root } from './root.ts';
import { versionToRelease } from './version.ts';

describe('versionToRelease()', () => {
  test('is that of package.json where the changelog has a heading of it', async () => {
    for (const heading of ['## 1.2.3', '## 1.2.3 (2026-11-26)'])
      // oxlint-disable-next-line no-await-in-loop -- a few
      assert.equal(await release(`# Changelog\n\n${heading}\n\n- New\n`), '1.2.3');
  });

  test('refuses a version that the changelog does not know, and names both files', async () => {
    for (const heading of ['## Unreleased', '## 1.2.30', '## 1.2', '### 1.2.3', 'As of ## 1.2.3'])
      // oxlint-disable-next-line no-await-in-loop -- a few
      await assert.rejects(release(`# Changelog\n\n${heading}\n`), (error) => {
        assert.ok(error instanceof SetupError);
        assert.equal(
          error.message,
          'CHANGELOG.md has no heading "## 1.2.3", the version in package.json: write it, or change the version there',
        );
        return true;
      });
  });
});

test('no file but package.json, its lock and the changelog has the version', async () => {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  const own = new RegExp(`(?<![\\w.^~-])${version.replaceAll('.', '\\.')}(?![\\w.-])`);
  const files = await Array.fromAsync(
    glob('{README.md,tsconfig.json,src/**,plugin/**,examples/**}', {
      cwd: root,
      withFileTypes: true,
      exclude: ({ name }) => ['node_modules', 'dist', 'go.mod', 'go.sum'].includes(name),
    }),
  );
  const paths = files.filter((file) => file.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  assert.ok(paths.length > 300, `${paths.length} files`);
  const texts = await Promise.all(paths.map((path) => readFile(path, 'utf8')));
  assert.deepEqual(
    paths.filter((_, index) => own.test(texts[index] ?? '')),
    [],
  );
});

/** The version of a repository with such a changelog. */
async function release(changelog: string): Promise<string> {
  await using directory = await temporaryDirectory();
  await writeFile(join(directory.path, 'package.json'), '{ "version": "1.2.3" }');
  await writeFile(join(directory.path, 'CHANGELOG.md'), changelog);
  return await versionToRelease(directory.path);
}
