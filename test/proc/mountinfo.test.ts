import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { mountsBeneath } from '../../src/proc/mountinfo.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

// These mount, and so need root.

describe('mountsBeneath()', () => {
  test('finds the directory itself and not its neighbours of longer names', async () => {
    await using directory = await temporaryDirectory();
    const [tree, neighbour] = ['tree', 'tree-two'].map((name) => join(directory.path, name)) as [
      string,
      string,
    ];
    for (const path of [tree, neighbour]) mkdirSync(path);
    await execa('mount', ['-t', 'tmpfs', 'csv-test', neighbour]);
    try {
      assert.deepEqual(mountsBeneath(tree), []);
      assert.deepEqual(mountsBeneath(neighbour), [neighbour]);
    } finally {
      await execa('umount', [neighbour]);
    }
  });

  test('finds mountpoints whose names the kernel writes escaped', async () => {
    await using directory = await temporaryDirectory();
    const mountpoint = join(directory.path, 'space tab\tline\nback\\slash');
    mkdirSync(mountpoint);
    await execa('mount', ['-t', 'tmpfs', 'csv-test', mountpoint]);
    try {
      assert.deepEqual(mountsBeneath(directory.path), [mountpoint]);
    } finally {
      await execa('umount', [mountpoint]);
    }
  });

  test('finds every mount beneath the root', () => {
    assert.equal(mountsBeneath('/').includes('/proc'), true);
  });
});
