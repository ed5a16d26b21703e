import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { describeStateDirectory, openStateDirectory } from '../../src/share/state-directory.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

const state = describeStateDirectory('/state');

describe('describeStateDirectory()', () => {
  test('puts a share below its namespace and sandbox, its tag being one name', () => {
    assert.equal(state.share('k8s.io', 'a1', 'work').directory, '/state/sandboxes/k8s.io/a1/work');
    assert.equal(state.share('k8s.io', 'a1', '/a b').directory, '/state/sandboxes/k8s.io/a1/%2Fa%20b');
    assert.equal(state.share('k8s.io', 'a1', '../../x').directory, '/state/sandboxes/k8s.io/a1/..%2F..%2Fx');
  });

  test('throws InvalidArgument for a tag that is no name of a directory or does not fit the device', () => {
    for (const tag of ['', '.', '..', 'a\0b', 'a\nb', 'x'.repeat(37), 'é'.repeat(19), '\ud800']) {
      assert.throws(() => state.share('default', 'a', tag), {
        name: 'StatusError',
        code: Code.InvalidArgument,
        message: `Invalid tag ${JSON.stringify(tag)}: use 1 to 36 bytes without control characters`,
      });
    }
    state.share('default', 'a', 'x'.repeat(36));
    state.share('default', 'a', 'é'.repeat(18));
  });

  test('throws InvalidArgument for ids and namespaces that containerd would refuse', () => {
    for (const name of [
      '',
      '.',
      '..',
      '../a',
      'a/b',
      '/a',
      'a..b',
      '-a',
      'a-',
      'a b',
      'é',
      'a\0',
      'x'.repeat(77),
    ]) {
      assert.throws(() => state.sandboxDirectory('default', name), {
        code: Code.InvalidArgument,
        message: /^Invalid sandbox id "/,
      });
      assert.throws(() => state.sandboxDirectory(name, 'a'), {
        code: Code.InvalidArgument,
        message: /^Invalid namespace "/,
      });
    }
    assert.equal(
      state.sandboxDirectory('k8s.io', 'x'.repeat(76)),
      `/state/sandboxes/k8s.io/${'x'.repeat(76)}`,
    );
  });

  test('never gives a socket path or a shared directory twice', () => {
    const paths = Array.from({ length: 1000 }, () => [
      state.newSocketPath(),
      state.newSharedDirectory(),
    ]).flat();
    assert.equal(new Set(paths).size, 2000);
    assert.match(paths[0] ?? '', /^\/state\/s\/[0-9a-f]{16}\.sock$/);
    assert.match(state.apiSocketOf(paths[0] ?? ''), /^\/state\/s\/[0-9a-f]{16}\.api$/);
    assert.match(paths[1] ?? '', /^\/state\/shared\/[0-9a-f]{32}$/);
  });
});

test('openStateDirectory() makes directories that only their owner can enter', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'a', 'state');
  openStateDirectory(path);
  openStateDirectory(path);
  assert.deepEqual(readdirSync(path).toSorted(), ['deletions', 's', 'sandboxes', 'shared', 'trash']);
  for (const part of ['', 'deletions', 's', 'sandboxes', 'shared', 'trash']) {
    assert.equal(statSync(join(path, part)).mode & 0o777, 0o700);
  }
});

test('openStateDirectory() throws PermissionDenied that names directory and remedy where nobody can make it', () => {
  assert.throws(() => openStateDirectory('/sys/csv'), {
    code: Code.PermissionDenied,
    message: /^Cannot make a host's directory: E(PERM|ACCES): .*: "\/sys\/csv": let this user reach it$/,
  });
});
