import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Attributes } from '@opentelemetry/api';
import { Code } from 'ttrpc-ts';
import type { Sandbox } from '../../src/host/contract.ts';
import { mountsBeneath } from '../../src/proc/mountinfo.ts';
import { readRecord } from '../../src/share/record.ts';
import { shareFiles } from '../../src/share/state-directory.ts';
import { eventually } from '../harness/eventually.ts';
import { hungFileSystem } from '../harness/hung-file-system.ts';
import { leftovers } from '../harness/leftovers.ts';
import { memorySpans } from '../harness/memory-spans.ts';
import { mountedTree } from '../harness/mounted-tree.ts';
import { sandboxRequest } from '../harness/sandbox-request.ts';
import { openTestHost, type TestHost } from '../harness/test-host.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { withPrograms } from '../harness/with-programs.ts';

// Needs root.

const REAL_MOUNT = execFileSync('sh', ['-c', 'command -v mount'], { encoding: 'utf8' }).trim();

interface SandboxToMountInto extends TestHost {
  readonly sandbox: Sandbox;
  readonly sharedDir: string;
}

async function sandboxToMountInto(
  options: Parameters<typeof openTestHost>[0] = {},
): Promise<SandboxToMountInto> {
  const own = await openTestHost(options);
  const sandbox = await own.host.sandboxes.create(sandboxRequest('a', { tag: 'work' }));
  const [share] = sandbox.shares;
  await share?.ready;
  return { ...own, sandbox, sharedDir: share?.sharedDir ?? '' };
}

const recordOf = ({ host }: TestHost): ReturnType<typeof readRecord> =>
  readRecord(host.stateDir.share('default', 'a', 'work'));

describe('Sandbox.mount() of a virtio-fs share', () => {
  test('records what it mounts before and after, and lists it until it is unmounted', async () => {
    await using own = await sandboxToMountInto();
    const { sandbox, source, sharedDir, path } = own;
    const { directory } = own.host.stateDir.share('default', 'a', 'work');
    const copy = join(path, 'copy');
    const mount = { source, mountpoint: '/data', options: ['ro'] };
    await withPrograms({ mount: `cp -r ${directory} ${copy}; exec ${REAL_MOUNT} "$@"` }, () =>
      sandbox.mount('work', mount),
    );
    const before = readRecord(shareFiles(copy));
    assert.deepEqual(
      before?.mounts.map(({ isPending }) => isPending),
      [true],
    );
    const [found] = sandbox.mounts('work');
    assert.deepEqual(found, {
      source,
      mountpoint: '/data',
      kind: 'bind',
      options: ['rbind', 'ro', 'rprivate'],
      mountedAt: new Date(recordOf(own)?.mounts[0]?.mountedAt ?? ''),
    });
    assert.deepEqual(mountsBeneath(sharedDir), [join(sharedDir, 'data')]);
    // No VMM has come: nobody can have looked.
    assert.deepEqual(await sandbox.unmount('work', '/data'), { guestMayHoldIt: false });
    assert.deepEqual([recordOf(own)?.mounts, recordOf(own)?.formerMountpoints], [[], ['/data']]);
    assert.deepEqual([sandbox.mounts('work'), readdirSync(sharedDir)], [[], []]);
    // What is not mounted is unmounted.
    assert.deepEqual(await sandbox.unmount('work', '/data'), { guestMayHoldIt: false });
  });

  test('prepares the place of its stages once, however many are the first', async () => {
    await using place = await temporaryDirectory();
    const { path } = place;
    execFileSync('mount', ['--bind', '--make-shared', path, path]);
    await using undo = new AsyncDisposableStack();
    undo.defer(() => void execFileSync('umount', [path]));
    const state = join(path, 'state');
    await using own = await sandboxToMountInto({ config: { state, scratch_dir: state } });
    const { stagingDirectory } = own.host.stateDir;
    const mountpoints = ['/a', '/b', '/c', '/d'];
    await Promise.all(
      mountpoints.map((mountpoint) => own.sandbox.mount('work', { source: own.source, mountpoint })),
    );
    assert.deepEqual(mountsBeneath(stagingDirectory), [stagingDirectory]);
    await own.host.sandboxes.delete('default', 'a');
    await own.host[Symbol.asyncDispose]();
    assert.deepEqual(mountsBeneath(stagingDirectory), []);
  });

  test('refuses what it cannot mount, and leaves nothing', async () => {
    await using own = await sandboxToMountInto();
    const { sandbox, source, sharedDir, path, state } = own;
    await sandbox.mount('work', { source, mountpoint: '/taken' });
    await sandbox.mount('work', { source, mountpoint: '/former' });
    await sandbox.unmount('work', '/former');
    symlinkSync('/etc', join(sharedDir, 'link'));
    mkdirSync(join(sharedDir, 'of-the-guest'));
    symlinkSync(state, join(path, 'to-state'));
    const missing = join(path, 'missing');
    const cases: [Parameters<Sandbox['mount']>[1], Code, RegExp][] = [
      [{ source, mountpoint: '/taken' }, Code.AlreadyExists, /taken": it exists: use another name$/],
      [{ source, mountpoint: '/link' }, Code.AlreadyExists, /link": it exists: use another name$/],
      [{ source, mountpoint: '/of-the-guest' }, Code.AlreadyExists, /guest": it exists: use another name$/],
      [
        { source, mountpoint: '/former' },
        Code.AlreadyExists,
        /^"\/former" was mounted in share "work" before, /,
      ],
      ...['', '/', 'data', '/..', '/.', '/a/b', '/link/x', '/a\n', `/${'x'.repeat(256)}`].map(
        (mountpoint): (typeof cases)[number] => [
          { source, mountpoint },
          Code.InvalidArgument,
          /^Invalid mountpoint ".*": use "\/" and one name, as "\/data"$/,
        ],
      ),
      [
        { source: missing, mountpoint: '/new' },
        Code.NotFound,
        /^Cannot mount ".*\/missing" in share "work": ENOENT: .*: create it first$/,
      ],
      [
        { source: 'relative', mountpoint: '/new' },
        Code.InvalidArgument,
        /: Invalid source "relative": use an absolute/,
      ],
      [
        { source: '/dev/null', mountpoint: '/new' },
        Code.InvalidArgument,
        /: it is neither a directory nor a regular/,
      ],
      [
        { source: join(path, 'to-state'), mountpoint: '/new' },
        Code.InvalidArgument,
        /: Source ".*" holds the state/,
      ],
      [
        { source: sharedDir, mountpoint: '/new' },
        Code.InvalidArgument,
        /: Source ".*" is in the state directory/,
      ],
      [
        { source, mountpoint: '/new', options: ['ro', 'nosuid'] },
        Code.InvalidArgument,
        /^A bind mount has no option "nosuid": use ro, rw, rbind, bind, private, rprivate$/,
      ],
      [
        { source, mountpoint: '/new', type: 'rafs' },
        Code.InvalidArgument,
        /^A virtio-fs share mounts no "rafs"/,
      ],
    ];
    for (const [request, code, message] of cases)
      await assert.rejects(sandbox.mount('work', request), { code, message }, JSON.stringify(request));
    assert.deepEqual(
      sandbox.mounts('work').map(({ mountpoint }) => mountpoint),
      ['/taken'],
    );
    assert.deepEqual(recordOf(own)?.mounts.length, 1);
    assert.deepEqual(mountsBeneath(sharedDir), [join(sharedDir, 'taken')]);
    assert.deepEqual(readdirSync(sharedDir).toSorted(), ['link', 'of-the-guest', 'taken']);
  });

  test('refuses a share with a source: the mount would be seen by all who have it', async () => {
    await using own = await openTestHost();
    const { source } = own;
    const sandbox = await own.host.sandboxes.create(sandboxRequest('a', { tag: 'work', source }));
    await assert.rejects(sandbox.mount('work', { source: '/usr', mountpoint: '/data' }), {
      code: Code.FailedPrecondition,
      message: `Share "work" serves "${source}" itself, where a mount would be everybody's: open a share without a source to mount into`,
    });
    assert.deepEqual(readdirSync(source), []);
  });

  test('leaves no mount of a share that is closed, what is in use and what is being mounted included', async () => {
    await using tree = await mountedTree();
    await using own = await sandboxToMountInto();
    const { sandbox, source, sharedDir } = own;
    await sandbox.mount('work', { source: tree.path, mountpoint: '/tree' });
    await sandbox.mount('work', { source, mountpoint: '/data' });
    const former = process.cwd();
    const script = `case "$1" in --move) exec sleep 600;; esac\nexec ${REAL_MOUNT} "$@"`;
    await withPrograms({ mount: script }, async () => {
      const mounting = sandbox.mount('work', { source, mountpoint: '/late' });
      mounting.catch(() => {});
      await eventually('it is being mounted', () => existsSync(join(sharedDir, 'late')));
      process.chdir(join(sharedDir, 'data'));
      try {
        await sandbox[Symbol.asyncDispose]();
      } finally {
        process.chdir(former);
      }
      await assert.rejects(mounting, { code: Code.Canceled, message: 'Share "work" is being closed' });
    });
    assert.deepEqual(await leftovers(own.state), []);
    assert.deepEqual(mountsBeneath(own.path), [own.host.stateDir.sharedDirectory]);
    assert.equal(mountsBeneath(tree.path).length, 2);
  });

  test('leaves no mount of a share whose host has died', async () => {
    await using tree = await mountedTree();
    await using directory = await temporaryDirectory();
    const state = join(directory.path, 'state');
    const config = { state, scratch_dir: state };
    await using former = await sandboxToMountInto({ config });
    await former.sandbox.mount('work', { source: tree.path, mountpoint: '/tree' });
    await former.host.detach();
    {
      await using next = await openTestHost({ config });
      await next.host.adopted;
      assert.deepEqual(await leftovers(state), []);
      assert.deepEqual(mountsBeneath(state), [join(state, 'shared')]);
    }
    assert.deepEqual(mountsBeneath(state), []);
    assert.equal(mountsBeneath(tree.path).length, 2);
  });

  test('holds up nobody else where the file system of a source hangs, and is given up by its signal', async () => {
    await using hung = await hungFileSystem();
    await using own = await sandboxToMountInto();
    const { sandbox, source, host } = own;
    const other = await host.sandboxes.create(sandboxRequest('b', { tag: 'work' }));
    const cancel = new AbortController();
    const options = { signal: cancel.signal };
    const mounting = sandbox.mount('work', { source: hung.path, mountpoint: '/hung' }, options);
    mounting.catch(() => {});
    await eventually('it hangs', () => hung.requests > 0);
    await other.mount('work', { source, mountpoint: '/data' });
    await sandbox.mount('work', { source, mountpoint: '/data' });
    cancel.abort(new Error('enough'));
    await assert.rejects(mounting, { message: 'enough' });
    assert.deepEqual(
      sandbox.mounts('work').map(({ mountpoint }) => mountpoint),
      ['/data'],
    );
  });

  test('is a span with what was mounted where, and how it failed', async () => {
    await using spans = await memorySpans();
    await using own = await sandboxToMountInto();
    const { sandbox, source } = own;
    await sandbox.mount('work', { source, mountpoint: '/data', options: ['ro'] });
    await assert.rejects(sandbox.mount('work', { source, mountpoint: '/data' }));
    await sandbox.unmount('work', '/data');
    await sandbox.unmount('work', '/data');
    const file = join(source, 'file');
    writeFileSync(file, 'eight by');
    await sandbox.mount('work', { source: file, mountpoint: '/file' });
    const [done, failed, ofFile] = spans
      .named('mount')
      .map(({ attributes, status }): Attributes => ({ ...attributes, status: status.code }));
    const same = {
      source: 'runtime',
      package: 'containerd-shim-virtiofs',
      subsystem: 'virtiofs',
      'plugin.id': 'io.containerd.fsshare.v1.virtiofs',
      'sandbox.id': 'a',
      'containerd.namespace': 'default',
      'share.tag': 'work',
      'mount.mountpoint': '/data',
    };
    const asked = { ...same, 'mount.source': source, 'mount.kind': 'bind' };
    assert.deepEqual(done, { ...asked, 'mount.options': 'rbind,ro,rprivate', status: 0 });
    assert.deepEqual(failed, { ...asked, 'error.type': 'AlreadyExists', status: 2 });
    assert.deepEqual([ofFile?.['mount.source'], ofFile?.['mount.bytes']], [file, 8]);
    const outcome = { 'mount.guest_may_hold_it': false };
    assert.deepEqual(
      spans.named('unmount').map(({ attributes }) => attributes),
      [
        { ...asked, ...outcome },
        { ...same, ...outcome },
      ],
    );
  });

  test('goes by a place of its own where the state stands on a mount that others see, which ends with the host', async () => {
    await using tree = await mountedTree();
    const state = join(tree.path, 'state');
    {
      await using own = await sandboxToMountInto({
        config: { state, scratch_dir: state, scratch_limit_mib: 0 },
      });
      const { stagingDirectory } = own.host.stateDir;
      await own.sandbox.mount('work', { source: own.source, mountpoint: '/data' });
      assert.deepEqual(
        mountsBeneath(state).toSorted(),
        [join(own.sharedDir, 'data'), stagingDirectory].toSorted(),
      );
    }
    assert.deepEqual(mountsBeneath(state), []);
    assert.equal(existsSync(join(state, 'staging')), false);
  });

  test('passes mounts on for as long as a share may need it, and not for longer', async () => {
    await using directory = await temporaryDirectory();
    const state = join(directory.path, 'state');
    const config = { state, scratch_dir: state };
    const passing = [join(state, 'shared')];
    await using former = await sandboxToMountInto({ config });
    assert.deepEqual(mountsBeneath(state), passing);
    await former.host.detach();
    assert.deepEqual(mountsBeneath(state), passing);
    {
      await using next = await openTestHost({ config });
      await next.host.adopted;
    }
    assert.deepEqual(mountsBeneath(state), []);
    await using last = await openTestHost({ config });
    await last.host.sandboxes.create(sandboxRequest('b', { tag: 'work', source: last.source }));
    assert.deepEqual(mountsBeneath(state), []);
  });
});
