import assert from 'node:assert/strict';
import { mkdir, symlink } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { describe, test } from 'node:test';
import { mountThatCanHang } from '../../src/foreign/mount-that-can-hang.ts';
import { hungFileSystem } from '../harness/hung-file-system.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

describe('mountThatCanHang()', () => {
  test('finds one at, above and behind links of a path, and touches none', async () => {
    await using directory = await temporaryDirectory();
    await using hung = await hungFileSystem();
    const place = (name: string): string => join(directory.path, name);
    await mkdir(place('deep'));
    await symlink(hung.path, place('absolute'));
    await symlink(relative(place('deep'), hung.path), place('deep/relative'));
    await symlink('deep/relative/below', place('twice'));
    for (const path of [
      hung.path,
      `${hung.path}/a/b`,
      `${hung.path}/..`,
      place('absolute'),
      place('deep/relative/x'),
      place('twice'),
      `${place('deep')}/../absolute`,
      relative(process.cwd(), place('twice')),
    ]) {
      assert.equal(mountThatCanHang(path)?.mountpoint, hung.path, path);
    }
    assert.equal(hung.requests, 0);
  });

  test('finds none where the way is local, ends, or goes in circles', async () => {
    await using directory = await temporaryDirectory();
    await using hung = await hungFileSystem();
    const place = (name: string): string => join(directory.path, name);
    await symlink(place('circle'), place('circle'));
    await symlink(`${hung.path}/x`, place('link'));
    for (const path of [
      '/',
      '/proc/self',
      directory.path,
      place('missing/below'),
      place('circle'),
      // What the text of a path says is not where it leads.
      `${hung.path}-not`,
      `${place('missing')}/../link`,
      `${directory.path}/${'x'.repeat(300)}`,
    ]) {
      assert.equal(mountThatCanHang(path)?.mountpoint === hung.path, path.endsWith('/link'), path);
    }
  });
});
