import assert from 'node:assert/strict';
import { closeSync, constants, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { Code } from 'ttrpc-ts';
import { MAX_BODY_BYTES } from '../../../plugin/nydus/http.ts';
import type { MountRequest } from '../../../src/share/contract.ts';
import { eventually } from '../../harness/eventually.ts';
import { hungFileSystem } from '../../harness/hung-file-system.ts';
import { isGone, leftovers } from '../../harness/leftovers.ts';
import { localConfig } from '../../harness/nydus/image.ts';
import { nydusPlace, type NydusShare } from '../../harness/nydus/nydus-share.ts';
import { obtainOrSkip } from '../../setup/obtain.ts';

const { skip } = await obtainOrSkip('nydus');

const mountsOf = async ({ api }: NydusShare): Promise<string[]> => [
  ...((await api.find({}))?.mounts ?? assert.fail('nobody answers')),
];

/** A named pipe in an image's place: nydusd waits for it without end, as for a registry that is slow. */
async function slowBootstrap(directory: string): Promise<{ path: string; release: () => Promise<void> }> {
  const path = join(directory, 'slow');
  await execa('mkfifo', [path]);
  const release = (): Promise<void> =>
    eventually('nydusd reads it', () => {
      try {
        closeSync(openSync(path, constants.O_WRONLY | constants.O_NONBLOCK));
        return true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENXIO') return false;
        throw error;
      }
    });
  return { path, release };
}

/** Resolves when nydusd answers nothing on its API. */
const isBlocked = ({ api }: NydusShare): Promise<void> =>
  eventually('the API is held up', () =>
    api.find({ signal: AbortSignal.timeout(300) }).then(
      () => false,
      ({ name }: Error) => name === 'TimeoutError',
    ),
  );

// The real nydusd, which needs root.
describe('mount() of nydusd', { skip }, () => {
  test('mounts an image, once more without an error, and unmounts it, once more without an error', async () => {
    await using place = await nydusPlace({ virtio_fs_stop_timeout_ms: 300 });
    await using own = await place.open();
    const mount = place.mountOf('c1');
    // Nobody has to wait until the share is ready.
    await Promise.all([own.mount(mount), own.mount(mount), own.mount(place.mountOf('c2'))]);
    await own.mount(mount);
    assert.deepEqual((await mountsOf(own)).toSorted(), [
      '/containers',
      '/rafs/c1/lowerdir',
      '/rafs/c2/lowerdir',
    ]);
    for (const _ of [1, 2])
      assert.deepEqual(await own.unmount('/rafs/c1/lowerdir'), { guestMayHoldIt: false });
    assert.deepEqual((await mountsOf(own)).toSorted(), ['/containers', '/rafs/c2/lowerdir']);
  });

  test('refuses another image where one is mounted', async () => {
    await using place = await nydusPlace({ virtio_fs_stop_timeout_ms: 300 });
    await using own = await place.open();
    const mount = place.mountOf('c1');
    await own.mount(mount);
    await assert.rejects(own.mount({ ...mount, config: `${mount.config} ` }), {
      name: 'StatusError',
      code: Code.AlreadyExists,
      message: 'Another image is mounted at "/rafs/c1/lowerdir": unmount it first',
    });
  });

  test('keeps every sign of a mountpoint', async () => {
    await using place = await nydusPlace({ virtio_fs_stop_timeout_ms: 300 });
    await using own = await place.open();
    await own.mount(place.mountOf('a+b_c-1.2'));
    assert.deepEqual((await mountsOf(own)).toSorted(), ['/containers', '/rafs/a+b_c-1.2/lowerdir']);
    await own.unmount('/rafs/a+b_c-1.2/lowerdir');
    assert.deepEqual(await mountsOf(own), ['/containers']);
  });

  test('refuses what is no mountpoint before it asks nydusd', async () => {
    await using place = await nydusPlace({ virtio_fs_stop_timeout_ms: 300 });
    await using own = await place.open();
    await own.share.ready;
    const wrong = ['/', '/rafs', '/xxxx', '/rafs/a/xxxx', '/rafs//lowerdir', '/rafs/../lowerdir'];
    const around = ['/x/rafs/a/lowerdir', '/rafs/a/lowerdir/x', '/rafs/a/lowerdir\n', '/rafs/a/b/lowerdir'];
    const tricks = ['/rafs/a&x=/lowerdir', '/rafs/a%2fb/lowerdir', '/rafs/a b/lowerdir', '/containers', ''];
    for (const mountpoint of [...wrong, ...around, ...tricks, `/rafs/${'a'.repeat(129)}/lowerdir`]) {
      const refused = {
        name: 'StatusError',
        code: Code.InvalidArgument,
        message: `Invalid mountpoint ${JSON.stringify(mountpoint)}: use "/rafs/<container>/lowerdir"`,
      };
      await assert.rejects(own.mount({ ...place.mountOf('a'), mountpoint }), refused);
      await assert.rejects(own.unmount(mountpoint), refused);
    }
    assert.deepEqual(await mountsOf(own), ['/containers']);
  });

  test('says what is wrong with an image, and the others stay', async () => {
    await using place = await nydusPlace({ virtio_fs_stop_timeout_ms: 300 });
    await using own = await place.open();
    await own.mount(place.mountOf('good'));
    const mount = place.mountOf('bad');
    const { config: _, ...bare } = mount;
    const missing = join(place.directory.path, 'missing');
    const cases: [MountRequest, { code: Code; message: string | RegExp }][] = [
      [
        { ...mount, source: missing },
        {
          code: Code.NotFound,
          message: `Bootstrap "${missing}" does not exist: name the image's metadata file`,
        },
      ],
      [
        { ...mount, source: 'boot' },
        { code: Code.InvalidArgument, message: 'Invalid bootstrap "boot": use an absolute path' },
      ],
      [bare, { code: Code.InvalidArgument, message: /^The mount of ".*" has no configuration: name/ }],
      [
        { ...mount, config: '{"auth": "secret' },
        {
          code: Code.InvalidArgument,
          message: "The image's configuration is no JSON object: use nydusd's configuration",
        },
      ],
      [
        { ...mount, config: '{}' },
        {
          code: Code.FailedPrecondition,
          message:
            /^nydusd cannot mount ".*" at "\/rafs\/bad\/lowerdir": RAFS failed to handle request, LoadConfig/,
        },
      ],
      [
        { ...mount, source: join(place.image.blobs, place.image.blobId) },
        {
          code: Code.FailedPrecondition,
          message: /^nydusd cannot mount ".*" at "\/rafs\/bad\/lowerdir": RAFS /,
        },
      ],
      [
        { ...mount, type: 'bind' },
        {
          code: Code.InvalidArgument,
          message: 'nydusd mounts no "bind": use "rafs" or "fuse.nydus-overlayfs"',
        },
      ],
    ];
    for (const [request, expected] of cases)
      await assert.rejects(own.mount(request), { name: 'StatusError', ...expected });
    assert.deepEqual((await mountsOf(own)).toSorted(), ['/containers', '/rafs/good/lowerdir']);
  });

  test('takes a request as long as nydusd does, and refuses a longer one by its own words', async () => {
    await using place = await nydusPlace({ virtio_fs_stop_timeout_ms: 300 });
    await using own = await place.open();
    const { config, ...mount } = place.mountOf('c1');
    const { source } = mount;
    const bytes = JSON.stringify({ fs_type: 'rafs', source, config }).length;
    const longest = config + ' '.repeat(MAX_BODY_BYTES - bytes);
    await assert.rejects(own.mount({ ...mount, config: `${longest} ` }), {
      name: 'StatusError',
      code: Code.InvalidArgument,
      message: 'The request has 51201 bytes, and nydusd takes at most 51200: shorten the configuration',
    });
    await own.mount({ ...mount, config: longest });
    assert.deepEqual((await mountsOf(own)).toSorted(), ['/containers', '/rafs/c1/lowerdir']);
  });

  test("reads an image's mount as nydus-snapshotter makes it", async () => {
    await using place = await nydusPlace({ virtio_fs_stop_timeout_ms: 300 });
    await using own = await place.open();
    const { mountpoint, source, config } = place.mountOf('c1');
    const extra = { source, config, snapshotdir: '/var/lib/snapshots/1', fs_version: '6' };
    const option = `extraoption=${Buffer.from(JSON.stringify(extra)).toString('base64')}`;
    const overlay = { type: 'fuse.nydus-overlayfs', source: 'overlay', mountpoint };
    const { size: bytes } = statSync(join(place.image.blobs, place.image.blobId));
    const expected = { kind: 'rafs', options: ['ro'], source, bytes, recipe: { source, config } };
    assert.deepEqual(await own.mount({ ...overlay, options: ['lowerdir=/foo', option] }), expected);
    assert.deepEqual((await mountsOf(own)).toSorted(), ['/containers', '/rafs/c1/lowerdir']);
    await assert.rejects(own.mount({ ...overlay, options: ['lowerdir=/foo'] }), {
      code: Code.InvalidArgument,
      message: /^Invalid "extraoption" of a fuse\.nydus-overlayfs mount: there is none/,
    });
  });
});

describe('a mount that takes nydusd long', { skip }, () => {
  test('holds up its API, and nothing else: the share is well, and other shares mount', async () => {
    await using place = await nydusPlace({ virtio_fs_stop_timeout_ms: 300 });
    await using own = await place.open();
    await using other = await place.open({ tag: 'other' });
    const slow = await slowBootstrap(place.directory.path);
    const mounting = assert.rejects(own.mount({ ...place.mountOf('slow'), source: slow.path }), {
      code: Code.FailedPrecondition,
      message: /^nydusd cannot mount ".*" at "\/rafs\/slow\/lowerdir": RAFS /,
    });
    await isBlocked(own);
    assert.equal(own.share.status().state, 'waiting');
    assert.equal(isGone(own.share.pid), false);
    await other.mount(place.mountOf('c1'));
    const next = own.mount(place.mountOf('c1'));
    await slow.release();
    await mounting;
    await next;
    assert.deepEqual((await mountsOf(own)).toSorted(), ['/containers', '/rafs/c1/lowerdir']);
  });

  test('fails at its limit with DeadlineExceeded, and its share can be closed', async () => {
    await using place = await nydusPlace({ virtio_fs_stop_timeout_ms: 300, nydus_mount_timeout_ms: 3000 });
    await using own = await place.open();
    await own.share.ready;
    const slow = await slowBootstrap(place.directory.path);
    await assert.rejects(own.mount({ ...place.mountOf('slow'), source: slow.path }), {
      name: 'StatusError',
      code: Code.DeadlineExceeded,
      message:
        `nydusd did not mount "${slow.path}" at "/rafs/slow/lowerdir" within 3000 ms: a slow registry may hold it up, ` +
        'and it may still do so later; try again, or raise nydus_mount_timeout_ms',
    });
    await own.share[Symbol.asyncDispose]();
    assert.equal((await own.share.closed).cause, 'stopped');
    assert.equal(isGone(own.share.pid), true);
    assert.deepEqual(await leftovers(place.state), []);
  });

  test('is given up with the signal', async () => {
    await using place = await nydusPlace({ virtio_fs_stop_timeout_ms: 300 });
    await using own = await place.open();
    await own.share.ready;
    const slow = await slowBootstrap(place.directory.path);
    const controller = new AbortController();
    const { signal } = controller;
    const mounting = own.mount({ ...place.mountOf('slow'), source: slow.path }, { signal });
    const given = assert.rejects(mounting, { message: 'given up' });
    await isBlocked(own);
    controller.abort(new Error('given up'));
    await given;
  });

  test('is not passed to nydusd where the file system of its bootstrap hangs', async () => {
    await using place = await nydusPlace({ virtio_fs_stop_timeout_ms: 300, nydus_mount_timeout_ms: 5000 });
    await using own = await place.open();
    await own.share.ready;
    await using hung = await hungFileSystem();
    const source = join(hung.path, 'bootstrap');
    await assert.rejects(own.mount({ ...place.mountOf('c1'), source }), {
      name: 'StatusError',
      code: Code.DeadlineExceeded,
    });
    await own.mount({ ...place.mountOf('c1'), config: localConfig(place.image, place.directory.path) });
    assert.deepEqual((await mountsOf(own)).toSorted(), ['/containers', '/rafs/c1/lowerdir']);
  });
});
