import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code, type StatusError } from 'ttrpc-ts';
import type { VirtiofsdSettings } from '../../../plugin/virtiofs/settings.ts';
import { fixture } from '../../harness/fixtures.ts';
import { daemonPlace } from '../../harness/test-daemon.ts';

const all = { daemonPath: '', socketPath: '', sourcePath: '', cache: 'foo' };

describe('startVirtiofsd() refuses', () => {
  const cases: [
    string,
    Partial<VirtiofsdSettings> & { socketPath?: string },
    { code: Code; message: string | RegExp },
  ][] = [
    [
      'an empty daemon path first',
      all,
      { code: Code.InvalidArgument, message: /^virtiofsd daemon path is empty: set/ },
    ],
    [
      'an empty socket path second',
      { ...all, daemonPath: '/nonexistent' },
      { code: Code.InvalidArgument, message: 'virtiofsd socket path is empty' },
    ],
    [
      'an empty source path third',
      { ...all, daemonPath: '/nonexistent', socketPath: '/nonexistent/s' },
      { code: Code.InvalidArgument, message: 'virtiofsd source path is empty: name the directory to share' },
    ],
    [
      'a source that is not there fourth',
      { ...all, daemonPath: '/nonexistent', socketPath: '/nonexistent/s', sourcePath: '/nonexistent/source' },
      {
        code: Code.NotFound,
        message: 'virtiofsd source path is not available: "/nonexistent/source": create it first',
      },
    ],
    [
      'an unknown cache mode fifth',
      { ...all, daemonPath: '/nonexistent', socketPath: '/nonexistent/s', sourcePath: '/' },
      {
        code: Code.InvalidArgument,
        message: 'Invalid virtio-fs cache mode: "foo": use one of auto, always, metadata, never',
      },
    ],
    [
      'a daemon that does not exist',
      { daemonPath: '/nonexistent/virtiofsd' },
      {
        code: Code.NotFound,
        message:
          'virtiofsd daemon "/nonexistent/virtiofsd" does not exist: install virtiofsd, or set "virtio_fs_daemon" to where it is',
      },
    ],
    [
      'a daemon that is a directory',
      { daemonPath: '/usr' },
      { code: Code.PermissionDenied, message: /^virtiofsd daemon "\/usr" is not an executable file: set/ },
    ],
    [
      'a missing socket directory',
      { daemonPath: fixture('waits'), socketPath: '/nonexistent/vfs.sock' },
      {
        code: Code.InvalidArgument,
        message: 'Socket directory "/nonexistent" does not exist: create it first',
      },
    ],
    [
      'a read-only share by the C one',
      { daemonPath: fixture('waits'), dialect: 'c', readOnly: true },
      {
        code: Code.Unimplemented,
        message: 'The C virtiofsd has no read-only shares: use the Rust virtiofsd',
      },
    ],
    [
      'cache mode "metadata" with the C one',
      { daemonPath: fixture('waits'), dialect: 'c', cache: 'metadata' },
      { code: Code.InvalidArgument, message: /^The C virtiofsd has no cache mode "metadata": use the Rust/ },
    ],
  ];
  for (const [name, settings, error] of cases) {
    test(name, async () => {
      await using place = await daemonPlace();
      await assert.rejects(place.startVirtiofsd({ daemonPath: '', ...settings }), {
        name: 'StatusError',
        ...error,
      });
      // Where the start went as far as the daemon's output, its file stays: it belongs to the caller.
      assert.deepEqual(
        (await readdir(place.path)).filter((file) => file !== 'daemon.log'),
        [],
      );
    });
  }

  test('a daemon that is not executable', async () => {
    await using place = await daemonPlace();
    const daemonPath = join(place.path, 'virtiofsd');
    await writeFile(daemonPath, '#!/bin/sh\n');
    await chmod(daemonPath, 0o644);
    await assert.rejects(place.startVirtiofsd({ daemonPath }), {
      code: Code.PermissionDenied,
      message: `virtiofsd daemon "${daemonPath}" is not an executable file: set "virtio_fs_daemon" to the virtiofsd program`,
    });
  });

  test('a source that is a file', async () => {
    await using place = await daemonPlace();
    const sourcePath = join(place.path, 'file');
    await writeFile(sourcePath, '');
    await assert.rejects(place.startVirtiofsd({ daemonPath: fixture('waits'), sourcePath }), {
      code: Code.InvalidArgument,
      message: `virtiofsd source path is not a directory: "${sourcePath}"`,
    });
  });

  test('a source that cannot be had, by its own reason and no wrong remedy', async () => {
    await using place = await daemonPlace();
    await writeFile(join(place.path, 'file'), '');
    await symlink('circle', join(place.path, 'circle'));
    await mkdir(join(place.path, 'real'));
    const sources: [source: string, code: Code, reason: RegExp][] = [
      ['file/below', Code.InvalidArgument, /: ENOTDIR: not a directory: ".*": correct the path/],
      ['circle', Code.InvalidArgument, /: ELOOP: .*: correct the symbolic links/],
      ['circle/below', Code.InvalidArgument, /: ELOOP: /],
      ['x'.repeat(256), Code.InvalidArgument, /: ENAMETOOLONG: .*: use a shorter path$/],
      ['real/'.repeat(1000), Code.InvalidArgument, /: ENAMETOOLONG: /],
      ['nul\0byte', Code.InvalidArgument, /: ".*nul\\u0000byte": .*null bytes/],
      ['real/missing', Code.NotFound, /: create it first$/],
    ];
    for (const [source, code, reason] of sources) {
      const sourcePath = join(place.path, source);
      const settings = { daemonPath: fixture('waits'), sourcePath };
      // oxlint-disable-next-line no-await-in-loop -- one place
      await assert.rejects(place.startVirtiofsd(settings), (error: StatusError) => {
        assert.equal(error.code, code, error.message);
        assert.match(error.message, /^virtiofsd source path is not available/);
        assert.match(error.message, reason);
        assert.equal(error.message.includes('create it first'), code === Code.NotFound);
        return true;
      });
    }
  });

  test('to start when the signal is aborted already', async () => {
    await using place = await daemonPlace();
    const signal = AbortSignal.abort(new Error('too late'));
    await assert.rejects(place.startVirtiofsd({ daemonPath: fixture('waits') }, { signal }), {
      message: 'too late',
    });
    assert.deepEqual(await readdir(place.path), []);
  });
});
