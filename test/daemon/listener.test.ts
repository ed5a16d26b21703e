import assert from 'node:assert/strict';
import { chownSync, existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { MAX_SOCKET_PATH_BYTES, openListener } from '../../src/daemon/listener.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

suite('openListener()', () => {
  test('gives the socket mode 0600 and the owner of its directory, which needs root', async () => {
    await using directory = await temporaryDirectory();
    chownSync(directory.path, 1234, 4321);
    const path = join(directory.path, 'vfs.sock');
    using listener = openListener(path);
    listener.publish();
    const { uid, gid, mode } = statSync(path);
    assert.deepEqual({ uid, gid, mode: mode & 0o777 }, { uid: 1234, gid: 4321, mode: 0o600 });
  });

  test('cannot be found before publish()', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'vfs.sock');
    using listener = openListener(path);
    assert.equal(existsSync(path), false);
    listener.publish();
    assert.equal(existsSync(path), true);
  });

  test('keeps the published socket when our copy closes, and leaves nothing when unpublished', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'vfs.sock');
    openListener(path)[Symbol.dispose]();
    assert.deepEqual(readdirSync(directory.path), []);
    {
      using listener = openListener(path);
      listener.publish();
    }
    assert.deepEqual(readdirSync(directory.path), ['vfs.sock']);
  });

  test('replaces the socket that a daemon left', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'vfs.sock');
    for (const _ of [1, 2]) {
      using listener = openListener(path);
      listener.publish();
    }
    assert.equal(statSync(path).isSocket(), true);
  });

  test('throws InvalidArgument where the directory is missing', async () => {
    await using directory = await temporaryDirectory();
    const missing = join(directory.path, 'missing');
    assert.throws(() => openListener(join(missing, 'vfs.sock')), {
      name: 'StatusError',
      code: Code.InvalidArgument,
      message: `Socket directory "${missing}" does not exist: create it first`,
    });
  });

  test('takes a path of 107 bytes and throws InvalidArgument for 108, counting bytes', async () => {
    await using directory = await temporaryDirectory();
    const room = MAX_SOCKET_PATH_BYTES - directory.path.length - 1;
    {
      using listener = openListener(join(directory.path, 's'.repeat(room)));
      listener.publish();
    }
    assert.deepEqual(readdirSync(directory.path), ['s'.repeat(room)]);
    assert.throws(() => openListener(join(directory.path, `é${'s'.repeat(room - 1)}`)), {
      code: Code.InvalidArgument,
      message: /has 108 bytes, at most 107 fit: choose a shorter state directory$/,
    });
    assert.deepEqual(readdirSync(directory.path), ['s'.repeat(room)]);
  });

  test('throws Unavailable where the directory is not writable', () => {
    // Root may write anywhere but in a file system that cannot.
    assert.throws(() => openListener('/proc/vfs.sock'), {
      code: Code.Unavailable,
      message: /^Cannot listen on "\/proc\/.*check that its directory is writable$/,
    });
  });
});
