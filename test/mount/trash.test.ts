import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { Code } from 'ttrpc-ts';
import { createTrash, type Trash } from '../../src/mount/trash.ts';
import { captureLog, type CapturedLog } from '../harness/captured-log.ts';
import { nestTooDeep } from '../harness/deep-directory.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

// Those that mount need root.

interface Place extends AsyncDisposable {
  /** A directory for the test. */
  readonly path: string;
  readonly trashDirectory: string;
  readonly trash: Trash;
  readonly captured: CapturedLog;
}

async function trashPlace(): Promise<Place> {
  const directory = await temporaryDirectory();
  const { path } = directory;
  const trashDirectory = join(path, 'trash');
  mkdirSync(trashDirectory);
  const captured = captureLog();
  const trash = createTrash([trashDirectory], captured);
  return {
    path,
    trashDirectory,
    trash,
    captured,
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

describe('Trash.remove()', () => {
  test('takes a directory out of reach at once, and removes it with what is in it', async () => {
    await using own = await trashPlace();
    const tree = join(own.path, 'tree');
    mkdirSync(join(tree, 'a', 'b'), { recursive: true });
    writeFileSync(join(tree, 'a', 'file'), '');
    own.trash.remove(tree);
    // In the same turn of the event loop.
    assert.equal(existsSync(tree), false);
    assert.equal(readdirSync(own.trashDirectory).length, 1);
    await own.trash[Symbol.asyncDispose]();
    assert.deepEqual(readdirSync(own.trashDirectory), []);
    own.trash.remove(tree);
    assert.deepEqual(own.captured.lines, []);
  });

  test('removes what is nested deeper than any path can be', async () => {
    await using own = await trashPlace();
    const tree = join(own.path, 'tree');
    mkdirSync(tree);
    nestTooDeep(tree);
    own.trash.remove(tree);
    await own.trash[Symbol.asyncDispose]();
    assert.deepEqual(readdirSync(own.trashDirectory), []);
    assert.deepEqual(own.captured.lines, []);
  });

  test('refuses while something is mounted there, and touches neither the directory nor what is mounted', async () => {
    await using own = await trashPlace();
    const tree = join(own.path, 'tree');
    const mountpoint = join(tree, 'mounted');
    mkdirSync(mountpoint, { recursive: true });
    await execa('mount', ['-t', 'tmpfs', 'csv-test', mountpoint]);
    try {
      writeFileSync(join(mountpoint, 'precious'), '');
      assert.throws(() => own.trash.remove(tree), {
        code: Code.FailedPrecondition,
        message: `Cannot remove "${tree}": "${mountpoint}" is still mounted; unmount it first`,
      });
      assert.equal(existsSync(join(mountpoint, 'precious')), true);
    } finally {
      await execa('umount', [mountpoint]);
    }
  });

  test('logs what cannot be removed, and leaves it for the next sweep', async () => {
    await using own = await trashPlace();
    const tree = join(own.path, 'tree');
    mkdirSync(tree);
    writeFileSync(join(tree, 'file'), '');
    // Not even root may remove this.
    await execa('mount', ['-t', 'tmpfs', 'csv-test', own.trashDirectory]);
    const held = join(own.trashDirectory, 'held');
    mkdirSync(join(held, 'in'), { recursive: true });
    await execa('mount', ['-t', 'tmpfs', 'csv-test', join(held, 'in')]);
    try {
      own.trash.sweep();
      await own.trash[Symbol.asyncDispose]();
      const [line] = own.captured.withMessage('Cannot remove a directory');
      assert.equal(line?.['path'], held);
      assert.equal(existsSync(held), true);
      await execa('umount', [join(held, 'in')]);
      own.trash.sweep();
      await own.trash[Symbol.asyncDispose]();
      assert.deepEqual(readdirSync(own.trashDirectory), []);
    } finally {
      await execa('umount', ['-R', own.trashDirectory]);
    }
  });
});
