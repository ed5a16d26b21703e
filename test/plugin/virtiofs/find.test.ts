import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { findDaemon } from '../../../plugin/virtiofs/find.ts';
import { executable } from '../../harness/fixtures.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';

const isInstalled = ['/usr/libexec/virtiofsd', '/usr/lib/virtiofsd', '/usr/lib/qemu/virtiofsd'].some(
  existsSync,
);

describe('findDaemon()', () => {
  test('finds an executable, in a place of distributions or on PATH', async () => {
    await using directory = await temporaryDirectory();
    const own = await executable(join(directory.path, 'virtiofsd'), '#!/bin/sh\n');
    const found = await findDaemon([], `/nonexistent::${directory.path}`);
    assert.equal(found, own);
    assert.equal(await findDaemon([own], ''), own);
    if (isInstalled) assert.equal(existsSync(await findDaemon()), true);
  });

  test('takes no folder, no data and no file that may not be executed for the program', async () => {
    await using directory = await temporaryDirectory();
    const places = ['folder', 'data', 'locked'].map((name) => join(directory.path, name));
    const [folder = '', data = '', locked = ''] = places;
    await mkdir(folder);
    await executable(data, 'text\n');
    await writeFile(locked, '#!/bin/sh\n', { mode: 0o644 });
    await assert.rejects(findDaemon(places, ''), { code: Code.NotFound });
    const own = await executable(join(directory.path, 'virtiofsd'), '#!/bin/sh\n');
    assert.equal(await findDaemon([...places, own], ''), own);
  });

  test('throws NotFound with where it looked, the packages and the setting', async () => {
    await assert.rejects(findDaemon(['/nonexistent/virtiofsd'], ''), {
      name: 'StatusError',
      code: Code.NotFound,
      message:
        'No virtiofsd in /nonexistent/virtiofsd or PATH: install it (Debian 13: package virtiofsd; ' +
        'Debian 12: qemu-system-common), or set "virtio_fs_daemon"',
    });
  });
});
