import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { Code } from 'ttrpc-ts';
import { mountsBeneath } from '../../src/proc/mountinfo.ts';
import { removeTree } from '../../src/mount/remove-tree.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

// These mount, and so need root.

describe('removeTree()', () => {
  test('removes a directory with what is in it; a missing one is no error', async () => {
    await using directory = await temporaryDirectory();
    const tree = join(directory.path, 'tree');
    mkdirSync(join(tree, 'a', 'b'), { recursive: true });
    writeFileSync(join(tree, 'a', 'file'), '');
    await removeTree(tree);
    assert.equal(existsSync(tree), false);
    await removeTree(tree);
  });

  test('refuses while something is mounted in it, and touches neither tree nor source', async () => {
    await using directory = await temporaryDirectory();
    const tree = join(directory.path, 'tree');
    const source = join(directory.path, 'source');
    const mountpoint = join(tree, 'with space');
    for (const path of [tree, source, mountpoint]) mkdirSync(path);
    writeFileSync(join(source, 'precious'), '');
    await execa('mount', ['--bind', source, mountpoint]);
    try {
      assert.deepEqual(mountsBeneath(tree), [mountpoint]);
      await assert.rejects(removeTree(tree), {
        name: 'StatusError',
        code: Code.FailedPrecondition,
        message: `Cannot remove "${tree}": "${mountpoint}" is still mounted; unmount it first`,
      });
      assert.equal(existsSync(join(source, 'precious')), true);
    } finally {
      await execa('umount', [mountpoint]);
    }
    await removeTree(tree);
    assert.equal(existsSync(join(source, 'precious')), true);
  });

  test('refuses through a symbolic link in the path, which the kernel has resolved in its table', async () => {
    await using directory = await temporaryDirectory();
    const mountpoint = join(directory.path, 'real', 'mounted');
    mkdirSync(mountpoint, { recursive: true });
    await execa('ln', ['-s', 'real', join(directory.path, 'link')]);
    await execa('mount', ['-t', 'tmpfs', 'csv-test', mountpoint]);
    try {
      await assert.rejects(removeTree(join(directory.path, 'link/mounted')), {
        code: Code.FailedPrecondition,
      });
    } finally {
      await execa('umount', [mountpoint]);
    }
  });
});
