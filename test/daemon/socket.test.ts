import assert from 'node:assert/strict';
import { chownSync, readdirSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { Code, MAX_SOCKET_PATH_BYTES } from 'ttrpc-ts';
import { openListener, requireShortPath } from '../../src/daemon/socket.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

describe('openListener()', () => {
  test('gives the socket mode 0600 and the owner of its directory, which needs root', async () => {
    await using directory = await temporaryDirectory();
    chownSync(directory.path, 1234, 4321);
    using listener = openListener(directory.path);
    const { uid, gid, mode } = statSync(listener.path);
    assert.deepEqual({ uid, gid, mode: mode & 0o777 }, { uid: 1234, gid: 4321, mode: 0o600 });
  });

  test('keeps the socket when our copy closes', async () => {
    await using directory = await temporaryDirectory();
    const listener = openListener(directory.path);
    listener[Symbol.dispose]();
    assert.equal(statSync(listener.path).isSocket(), true);
    assert.equal(readdirSync(directory.path).length, 1);
  });

  test('throws InvalidArgument where the directory is missing', async () => {
    await using directory = await temporaryDirectory();
    const missing = join(directory.path, 'missing');
    assert.throws(() => openListener(missing), {
      name: 'StatusError',
      code: Code.InvalidArgument,
      message: `Socket directory "${missing}" does not exist: create it first`,
    });
  });

  test('says why a socket cannot be made: needs root to mount', async () => {
    await using directory = await temporaryDirectory();
    symlinkSync('circle', join(directory.path, 'circle'));
    assert.throws(() => openListener(join(directory.path, 'circle')), {
      code: Code.InvalidArgument,
      message: /^Cannot use the socket directory: ELOOP: .*: correct the symbolic links/,
    });
    await execa('mount', ['-t', 'tmpfs', '-o', 'nr_inodes=1', 'csv-test', directory.path]);
    try {
      assert.throws(() => openListener(directory.path), {
        code: Code.ResourceExhausted,
        message: /^Cannot listen on a socket: ENOSPC: no space left on device: ".*": free space/,
      });
      await execa('mount', ['-o', 'remount,ro', directory.path]);
      assert.throws(() => openListener(directory.path), {
        code: Code.FailedPrecondition,
        message: /^Cannot listen on a socket: EROFS: /,
      });
    } finally {
      await execa('umount', [directory.path]);
    }
  });

  test('throws Unavailable where the directory is not writable', () => {
    // Root may write anywhere but in a file system that cannot.
    assert.throws(() => openListener('/proc'), {
      code: Code.Unavailable,
      message: /^Cannot listen on "\/proc\/.*check that its directory is writable$/,
    });
  });
});

describe('requireShortPath()', () => {
  test('takes a path of 107 bytes and throws InvalidArgument for 108, counting bytes', () => {
    requireShortPath('s'.repeat(MAX_SOCKET_PATH_BYTES));
    assert.throws(() => requireShortPath(`é${'s'.repeat(MAX_SOCKET_PATH_BYTES - 1)}`), {
      code: Code.InvalidArgument,
      message: /has 108 bytes, at most 107 fit: choose a shorter state directory$/,
    });
  });
});
