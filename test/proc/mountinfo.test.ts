import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import {
  forgetMounts,
  listMounts,
  mountOf,
  mountsAt,
  mountsBeneath,
  readMounts,
  recentMounts,
} from '../../src/proc/mountinfo.ts';
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

const idsAt = (path: string): number[] => mountsAt(path).map(({ id }) => id);

describe('mountsAt()', () => {
  test('finds what is mounted at a path and nothing else, one over the other, whatever its name', async () => {
    await using directory = await temporaryDirectory();
    const mountpoint = join(directory.path, 'space tab\tline\nback\\slash');
    const below = join(mountpoint, 'below');
    mkdirSync(mountpoint);
    await execa('mount', ['-t', 'tmpfs', 'csv-test', mountpoint]);
    try {
      mkdirSync(below);
      // What is mounted there is called in the table as what it is mounted from.
      await execa('mount', ['--bind', directory.path, below]);
      await execa('mount', ['-t', 'tmpfs', 'csv-test', below]);
      const all = listMounts();
      for (const path of [mountpoint, below, '/', '/proc'])
        assert.deepEqual(
          idsAt(path),
          all.filter((mount) => mount.mountpoint === path).map(({ id }) => id),
        );
      assert.deepEqual([idsAt(below).length, idsAt(directory.path)], [2, []]);
      assert.equal(mountOf(below)?.id, idsAt(below).at(-1));
      assert.notEqual(mountOf(directory.path), undefined);
    } finally {
      await execa('umount', ['--recursive', mountpoint]);
    }
  });
});

describe('recentMounts()', () => {
  test('is what was read last, until it is too old or this process has mounted something', async () => {
    await using directory = await temporaryDirectory();
    const mountpoint = join(directory.path, 'mountpoint');
    mkdirSync(mountpoint);
    const before = readMounts();
    await execa('mount', ['-t', 'tmpfs', 'csv-test', mountpoint]);
    try {
      assert.equal(recentMounts(Infinity), before);
      assert.equal(mountsAt(mountpoint, recentMounts(0)).length, 1);
    } finally {
      await execa('umount', [mountpoint]);
    }
    assert.equal(mountsAt(mountpoint, recentMounts(Infinity)).length, 1);
    forgetMounts();
    assert.deepEqual(mountsAt(mountpoint, recentMounts(Infinity)), []);
  });
});
