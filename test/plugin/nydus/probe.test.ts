import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { findDaemon } from '../../../plugin/nydus/find.ts';
import { requireNydusd } from '../../../plugin/nydus/probe.ts';
import { executable } from '../../harness/fixtures.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { obtainOrSkip } from '../../setup/obtain.ts';

const { part, skip } = await obtainOrSkip('nydus');

describe('requireNydusd()', () => {
  test('takes a nydusd with virtio-fs, whose version says nothing', { skip }, async () => {
    await requireNydusd(part?.nydusd ?? '');
  });

  test('refuses another program, and a nydusd without virtio-fs', { skip }, async () => {
    // Its sibling, which has an argument parser of the same kind.
    const path = part?.nydusImage ?? '';
    await assert.rejects(requireNydusd(path), {
      name: 'DaemonError',
      code: Code.FailedPrecondition,
      message: new RegExp(
        `^"${path}" is no nydusd with virtio-fs: "virtiofs --help" answered ".*"; build it with --features virtiofs, ` +
          'or set "virtio_fs_daemon" to one that was$',
      ),
    });
  });
});

describe('findDaemon()', () => {
  test('finds the first nydusd, and says where it looked for one', async () => {
    await using directory = await temporaryDirectory();
    const path = await executable(join(directory.path, 'nydusd'), '#!/bin/sh\n');
    assert.equal(await findDaemon(['/nonexistent/nydusd'], `/nonexistent:${directory.path}`), path);
    await assert.rejects(findDaemon(['/nonexistent/nydusd'], ''), {
      code: Code.NotFound,
      message: /^No nydusd in \/nonexistent\/nydusd or PATH: install it/,
    });
  });
});
