import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { reapSandbox } from '../../../src/share/reap.ts';
import type { Share } from '../../../src/share/contract.ts';
import { executable } from '../../harness/fixtures.ts';
import { isGone, leftovers } from '../../harness/leftovers.ts';
import { nydusPlace } from '../../harness/nydus/nydus-share.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { connectVhostUser } from '../../harness/vhost-user.ts';
import { obtainOrSkip } from '../../setup/obtain.ts';

const { part, skip } = await obtainOrSkip('nydus');
const nydusd = part?.nydusd ?? '';

/** The hard limit of open files of a process. */
const hardOf = (pid: number | 'self'): number =>
  Number(/^Max open files\s+\S+\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))?.[1] ?? 1e6);

/** True while neither its process nor its promise says that it has ended. */
async function isOpen(share: Share): Promise<boolean> {
  const open = Symbol('open');
  return (await Promise.race([share.closed, Promise.resolve(open)])) === open && !isGone(share.pid);
}

// The image server is the real one, and needs root.
describe('a share of nydusd', { skip }, () => {
  test('is ready when nydusd has bound its socket, runs, and serves the shared directory', async () => {
    await using place = await nydusPlace();
    await using own = await place.open({ source: place.source });
    const { share } = own;
    assert.equal(share.status().state, 'starting');
    await share.ready;
    assert.equal(statSync(share.socketPath).isSocket(), true);
    const found = await own.api.find({});
    assert.deepEqual(found, { state: 'RUNNING', mounts: new Set(['/containers']) });
    const { socketPath, apiSocketPath = '', sharedDir } = share.status();
    assert.deepEqual([socketPath, sharedDir], [share.socketPath, place.source]);
    assert.match(apiSocketPath, /\/s\/[0-9a-f]{16}\.api$/);
    assert.equal(statSync(apiSocketPath).isSocket(), true);
  });

  test('is not ready while the program is there and nydusd is not', async () => {
    await using directory = await temporaryDirectory();
    const go = join(directory.path, 'go');
    const script = `#!/bin/sh\n[ "$2" = --help ] || until [ -e '${go}' ]; do sleep 0.05; done\nexec '${nydusd}' "$@"\n`;
    const wrapper = await executable(join(directory.path, 'late'), script);
    await using place = await nydusPlace({ virtio_fs_daemon: wrapper });
    await using own = await place.open();
    assert.equal(await own.api.find({}), undefined);
    assert.equal(own.share.status().state, 'starting');
    mkdirSync(go);
    await own.share.ready;
    assert.equal(own.share.status().state, 'waiting');
  });

  test('may have as many files open as the hard limit allows, at most a million', async () => {
    await using place = await nydusPlace();
    await using own = await place.open();
    await own.share.ready;
    assert.equal(hardOf(own.share.pid), Math.min(1_000_000, hardOf('self')));
  });

  test('whose nydusd may not raise its limit of open files says what to do', async () => {
    await using directory = await temporaryDirectory();
    // As root, but without the capability to raise a limit.
    const script = `#!/bin/sh\n[ "$2" = --help ] || ulimit -n 256\nexec setpriv --bounding-set -sys_resource '${nydusd}' "$@"\n`;
    const wrapper = await executable(join(directory.path, 'limited'), script);
    await using place = await nydusPlace({ virtio_fs_daemon: wrapper });
    await using own = await place.open();
    await assert.rejects(own.share.ready, {
      name: 'DaemonError',
      code: Code.FailedPrecondition,
      message:
        'Cannot start share "work": nydusd exited with code 1: Error: Os { code: 1, kind: PermissionDenied, message: ' +
        '"Operation not permitted" } (the hard limit of open files is lower for it than for the shim: raise LimitNOFILE)',
    });
    await own.share[Symbol.asyncDispose]();
    assert.deepEqual(await leftovers(place.state), []);
  });

  for (const { vmm, connect } of [
    { vmm: 'no VMM has come', connect: undefined },
    { vmm: 'a VMM holds on', connect: connectVhostUser },
  ]) {
    test(`ends while ${vmm}: SIGTERM, grace, SIGKILL, and that is no failure`, async () => {
      await using place = await nydusPlace({ virtio_fs_stop_timeout_ms: 300 });
      await using own = await place.open();
      const { share } = own;
      await share.ready;
      using client = await connect?.(share.socketPath);
      await client?.getFeatures();
      await share[Symbol.asyncDispose]();
      const { cause, signal } = await share.closed;
      assert.deepEqual({ cause, signal }, { cause: 'stopped', signal: 'SIGKILL' });
      assert.equal(isGone(share.pid), true);
      assert.deepEqual(await leftovers(place.state), []);
    });
  }

  test('lives on when its API socket has vanished, and says so where the API is needed', async () => {
    await using place = await nydusPlace({ virtio_fs_stop_timeout_ms: 300 });
    await using own = await place.open();
    const { share } = own;
    await share.ready;
    const { apiSocketPath = '' } = share;
    rmSync(apiSocketPath);
    for (const call of [() => own.mount(place.mountOf('c1')), () => own.unmount('/rafs/c1/lowerdir')])
      await assert.rejects(call(), {
        name: 'StatusError',
        code: Code.Unavailable,
        message:
          `nydusd does not answer on its API socket "${apiSocketPath}" (connect ENOENT ${apiSocketPath}): ` +
          'what is mounted stays; for more, open the share again',
      });
    assert.equal(await isOpen(share), true);
    assert.equal(share.status().state, 'waiting');
    await share[Symbol.asyncDispose]();
    assert.deepEqual(await leftovers(place.state), []);
  });

  test('has failed when its nydusd is killed, and leaves no socket', async () => {
    await using place = await nydusPlace();
    await using own = await place.open();
    await own.share.ready;
    process.kill(own.share.pid, 'SIGKILL');
    const { cause, signal } = await own.share.closed;
    assert.deepEqual({ cause, signal }, { cause: 'crashed', signal: 'SIGKILL' });
    assert.equal(existsSync(own.share.socketPath), false);
    assert.equal(existsSync(own.share.apiSocketPath ?? ''), false);
    await assert.rejects(own.mount(place.mountOf('c1')), { code: Code.Unavailable });
  });

  test('of a dead host is ended with both of its sockets', async () => {
    await using place = await nydusPlace();
    await using own = await place.open();
    await own.share.ready;
    const { stateDir, log } = place.context;
    await reapSandbox(stateDir.sandboxDirectory('default', 'a'), { stateDir, log });
    assert.equal(isGone(own.share.pid), true);
    assert.deepEqual(await leftovers(place.state), []);
    await own.share.closed;
  });

  test('that is to be read-only is refused before anything starts', async () => {
    await using place = await nydusPlace();
    await assert.rejects(place.open({ readOnly: true, source: place.source }), {
      code: Code.Unimplemented,
      message: 'Share "work": nydusd has no read-only shares: use "virtio-fs" for it',
    });
    await assert.rejects(async () => place.provider.check?.([{ tag: 'ro', readOnly: true }], {}), {
      code: Code.Unimplemented,
      message: 'Share "ro": nydusd has no read-only shares: use "virtio-fs" for it',
    });
    await place.provider.check?.([{ tag: 'rw', readOnly: false }], {});
    assert.deepEqual(await leftovers(place.state), []);
  });

  test('whose start is too slow rejects with DeadlineExceeded and leaves nothing', async () => {
    await using directory = await temporaryDirectory();
    const script = `#!/bin/sh\n[ "$2" = --help ] || exec sleep 600\nexec '${nydusd}' "$@"\n`;
    const wrapper = await executable(join(directory.path, 'sleeps'), script);
    await using place = await nydusPlace({
      virtio_fs_daemon: wrapper,
      virtio_fs_start_timeout_ms: 3000,
    });
    await using own = await place.open();
    await assert.rejects(own.share.ready, {
      name: 'DaemonError',
      code: Code.DeadlineExceeded,
      message:
        'Cannot start share "work": nydusd did not answer within 3000 ms that it waits for its VMM: see its output, or ' +
        'raise virtio_fs_start_timeout_ms',
    });
    await own.share[Symbol.asyncDispose]();
    assert.deepEqual(await leftovers(place.state), []);
  });
});
