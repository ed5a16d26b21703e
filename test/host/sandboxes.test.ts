import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, openSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { Code } from 'ttrpc-ts';
import type { SandboxRequest } from '../../src/host/contract.ts';
import { bootId } from '../../src/proc/stat.ts';
import { readRecord, writeRecord, type ShareRecord } from '../../src/share/record.ts';
import { eventually } from '../harness/eventually.ts';
import { fixture } from '../harness/fixtures.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { sandboxRequest as request } from '../harness/sandbox-request.ts';
import { openTestHost } from '../harness/test-host.ts';

/** Of a host that died before it knew its daemon's pid. */
const DEAD_RECORD: Omit<ShareRecord, 'socketPath' | 'bootId'> = {
  namespace: 'default',
  sandboxId: 'dead',
  tag: 'work',
  owner: 'shim',
  outlivesHost: false,
  profile: '(options)',
  provider: 'virtio-fs',
  source: '/nowhere',
  ownsSource: false,
  readOnly: false,
  queueSize: 1024,
  onExit: 'stop-sandbox',
  restarts: 0,
  createdAt: new Date().toISOString(),
  mounts: [],
};

describe('Sandboxes.create()', () => {
  test('opens every share of the sandbox, each with a daemon, a socket and a directory of its own', async () => {
    await using own = await openTestHost();
    const { sandboxes } = own.host;
    const sandbox = await sandboxes.create(request('a', { tag: 'one' }, { tag: 'two', source: own.source }));
    assert.equal(sandboxes.get('default', 'a'), sandbox);
    assert.deepEqual(
      sandbox.shares.map(({ tag }) => tag),
      ['one', 'two'],
    );
    const records = ['one', 'two'].map((tag) => readRecord(own.host.stateDir.share('default', 'a', tag)));
    assert.deepEqual(
      records.map((record) => record?.provider),
      ['virtio-fs', 'virtio-fs'],
    );
    const [one, two] = sandbox.shares;
    assert.notEqual(one?.pid, two?.pid);
    assert.notEqual(one?.socketPath, two?.socketPath);
    assert.equal(two?.sharedDir, own.source);
  });

  test('rejects an id in use with AlreadyExists, also while it is being created', async () => {
    await using own = await openTestHost();
    const { sandboxes } = own.host;
    const creating = sandboxes.create(request('a', { tag: 'x' }));
    const expected = {
      name: 'StatusError',
      code: Code.AlreadyExists,
      message: 'Sandbox "a" exists: delete it first',
    };
    await assert.rejects(sandboxes.create(request('a', { tag: 'x' })), expected);
    const sandbox = await creating;
    await assert.rejects(sandboxes.create(request('a', { tag: 'x' })), expected);
    assert.equal(isGone(sandbox.shares[0]?.pid ?? 0), false);
    await sandboxes.create({ ...request('a', { tag: 'x' }), namespace: 'other' });
  });

  test('rejects a tag twice before anything is made', async () => {
    await using own = await openTestHost();
    const { sandboxes } = own.host;
    await assert.rejects(sandboxes.create(request('a', { tag: 'x' }, { tag: 'y' }, { tag: 'x' })), {
      code: Code.InvalidArgument,
      message: 'Tag "x" is used twice: give each share a tag of its own',
    });
    assert.equal(own.captured.withMessage('Starting virtiofsd').length, 0);
    assert.deepEqual(await leftovers(own.state), []);
    await sandboxes.create(request('a', { tag: 'x' }));
  });

  test('rejects a cache mode that a provider does not have before anything is made', async () => {
    await using own = await openTestHost();
    const { sandboxes } = own.host;
    const shares = [
      { tag: 'x', cache: 'always' },
      { tag: 'y', cache: 'none' },
    ] as const;
    await assert.rejects(sandboxes.create(request('a', ...shares)), {
      code: Code.InvalidArgument,
      message:
        'Share "y" asks for cache mode "none", which "virtio-fs" does not have; known: auto, always, metadata, never',
    });
    assert.equal(own.captured.withMessage('Starting virtiofsd').length, 0);
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('rejects what the daemon of its dialect has not, before any of it is started', async () => {
    await using own = await openTestHost({ virtiofs: { virtio_fs_dialect: 'c' } });
    await assert.rejects(own.host.sandboxes.create(request('a', { tag: 'x', cache: 'metadata' })), {
      code: Code.InvalidArgument,
      message:
        'Cannot start share "x": The C virtiofsd has no cache mode "metadata": use the Rust virtiofsd or another mode',
    });
    assert.equal(own.host.sandboxes.size, 0);
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('starts each daemon in the cache mode of its share, and records it', async () => {
    await using own = await openTestHost({ virtiofs: { virtio_fs_cache: 'never' } });
    const shares = [{ tag: 'x', cache: 'always', readOnly: true }, { tag: 'y' }] as const;
    const sandbox = await own.host.sandboxes.create(request('a', ...shares));
    const told = sandbox.snapshots().map(({ tag, cache, readOnly }) => [tag, cache, readOnly]);
    assert.deepEqual(told, [
      ['x', 'always', true],
      ['y', 'never', false],
    ]);
    for (const [tag, cache, readOnly] of told) {
      const record = readRecord(own.host.stateDir.share('default', 'a', String(tag)));
      assert.equal(record?.cache, cache);
      const args = record?.daemon?.args ?? [];
      assert.deepEqual([args.includes(`--cache=${cache}`), args.includes('--readonly')], [true, readOnly]);
    }
  });

  test('closes the other shares when one fails, and throws its error', async () => {
    await using own = await openTestHost();
    const { sandboxes } = own.host;
    await assert.rejects(
      sandboxes.create(
        request('a', { tag: 'good' }, { tag: 'bad', source: '/nonexistent' }, { tag: 'fine' }),
      ),
      {
        code: Code.NotFound,
        message:
          'Cannot start share "bad": virtiofsd source path is not available: "/nonexistent": create it first',
      },
    );
    assert.deepEqual(await leftovers(own.state), []);
    assert.equal(
      own.captured.lines.filter(({ msg }) => msg === 'virtiofsd was killed by SIGTERM: it was stopped')
        .length,
      2,
    );
    assert.throws(() => sandboxes.get('default', 'a'), {
      code: Code.NotFound,
      message: 'No sandbox "a" in namespace "default"',
    });
  });

  test('rejects relative sources, unknown providers and names with path tricks before anything is made', async () => {
    await using own = await openTestHost();
    const { sandboxes } = own.host;
    const cases: [SandboxRequest, RegExp][] = [
      [
        request('a', { tag: 'x', source: 'relative' }),
        /^Share "x" has a relative source "relative": use an absolute path$/,
      ],
      [request('a', { tag: 'x', sharedFs: 'nfs' }), /^No plugin provides "nfs"/],
      [request('a', { tag: '..' }), /^Invalid tag "\.\."/],
      [request('../a', { tag: 'x' }), /^Invalid sandbox id "\.\.\/a"/],
      [{ ...request('a', { tag: 'x' }), namespace: '..' }, /^Invalid namespace "\.\."/],
    ];
    for (const [bad, message] of cases) {
      await assert.rejects(sandboxes.create(bad), { code: Code.InvalidArgument, message });
    }
    assert.deepEqual(await leftovers(own.state), []);
    assert.equal(sandboxes.size, 0);
  });

  test('brings up all of twenty at once, each with a socket of its own', async () => {
    await using own = await openTestHost();
    const { sandboxes } = own.host;
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, index) => sandboxes.create(request(`s${index}`, { tag: 'x' }))),
    );
    await Promise.all(all.flatMap(({ shares }) => shares.map(({ ready }) => ready)));
    assert.equal(new Set(all.flatMap(({ shares }) => shares.map(({ socketPath }) => socketPath))).size, 20);
    assert.equal(sandboxes.list().length, 20);
    await Promise.all(all.map(({ sandboxId }) => sandboxes.delete('default', sandboxId)));
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('leaves nothing when its signal aborts while it waits for a slot', async () => {
    await using own = await openTestHost({ daemon: 'never-ready' });
    const { sandboxes } = own.host;
    await Promise.all(['a', 'b'].map((id) => sandboxes.create(request(id, { tag: 'x' }))));
    const before = await leftovers(own.state);
    const controller = new AbortController();
    const waiting = sandboxes.create(request('c', { tag: 'x' }), { signal: controller.signal });
    controller.abort(new Error('enough'));
    await assert.rejects(waiting, { message: 'enough' });
    assert.deepEqual(await leftovers(own.state), before);
    assert.equal(sandboxes.size, 2);
  });

  test('is refused by a host that ends', async () => {
    await using own = await openTestHost();
    await own.host.sandboxes[Symbol.asyncDispose]();
    await assert.rejects(own.host.sandboxes.create(request('a', { tag: 'x' })), {
      code: Code.Unavailable,
      message: 'The host is ending: create the sandbox on the next one',
    });
  });
});

describe('Sandboxes.purge()', () => {
  test('counts as a sandbox until what a dead host left has ended, so that the host is not taken for idle', async () => {
    await using own = await openTestHost();
    const { sandboxes, stateDir } = own.host;
    const files = stateDir.share('default', 'dead', 'work');
    mkdirSync(files.directory, { recursive: true });
    const output = openSync(files.output, 'a');
    const daemon = spawn(fixture('ignores-sigterm'), { stdio: ['ignore', output, output], detached: true });
    await once(daemon, 'spawn');
    await eventually('it ignores SIGTERM', () => readFileSync(files.output, 'utf8').length > 0);
    writeRecord(files, { ...DEAD_RECORD, socketPath: stateDir.newSocketPath(), bootId: bootId() });
    const purged = sandboxes.purge('default', 'dead');
    assert.equal(sandboxes.size, 1);
    await sandboxes.detach();
    assert.equal(isGone(daemon.pid ?? 0), true);
    assert.equal(sandboxes.size, 0);
    await purged;
    assert.deepEqual(await leftovers(own.state), []);
  });
});

describe('Sandboxes.delete()', () => {
  test('closes the shares and waits until nothing of them is left', async () => {
    await using own = await openTestHost();
    const { sandboxes } = own.host;
    const { shares, ended } = await sandboxes.create(request('a', { tag: 'x' }, { tag: 'y' }));
    await sandboxes.delete('default', 'a');
    for (const { pid } of shares) assert.equal(isGone(pid), true);
    assert.deepEqual(await leftovers(own.state), []);
    assert.equal((await ended).exitStatus, 0);
    assert.equal((await ended).failed, undefined);
  });

  test('is no error for a sandbox that is unknown or being deleted', async () => {
    await using own = await openTestHost();
    const { sandboxes } = own.host;
    await sandboxes.delete('default', 'unknown');
    await sandboxes.create(request('a', { tag: 'x' }));
    await Promise.all([sandboxes.delete('default', 'a'), sandboxes.delete('default', 'a')]);
    await sandboxes.delete('default', 'a');
    assert.equal(sandboxes.size, 0);
  });

  test('cancels a creation and leaves nothing of it', async () => {
    await using own = await openTestHost({ daemon: 'never-ready' });
    const { sandboxes } = own.host;
    // Both slots are taken, so that the third creation cannot be done.
    await Promise.all(['a', 'b'].map((id) => sandboxes.create(request(id, { tag: 'x' }))));
    const before = await leftovers(own.state);
    const creating = sandboxes.create(request('c', { tag: 'x' }));
    const canceled = assert.rejects(creating, {
      code: Code.Canceled,
      message: /^(Cannot start share "x": )?Sandbox "c" was deleted while it was being created$/,
    });
    await sandboxes.delete('default', 'c');
    await canceled;
    assert.deepEqual(await leftovers(own.state), before);
    assert.throws(() => sandboxes.get('default', 'c'), { code: Code.NotFound });
  });

  test("goes on when a caller's wait for it ends, and is one for all who ask", async () => {
    const grace = { virtio_fs_stop_timeout_ms: 500 };
    await using own = await openTestHost({ daemon: 'ignores-sigterm', virtiofs: grace });
    const { sandboxes } = own.host;
    const sandbox = await sandboxes.create(request('a', { tag: 'x' }, { tag: 'y' }));
    const { shares } = sandbox;
    await Promise.all(shares.map(({ ready }) => ready));
    const { signal } = new AbortController();
    const given = new AbortController();
    const waits = [
      sandbox.closeShare('x', { signal: given.signal }),
      sandboxes.delete('default', 'a', { signal: given.signal }),
      sandboxes.delete('default', 'a', { signal: AbortSignal.abort(new Error('given up')) }),
    ];
    const stays = sandboxes.delete('default', 'a', { signal });
    given.abort(new Error('given up'));
    for (const { reason } of (await Promise.allSettled(waits)) as PromiseRejectedResult[])
      assert.equal((reason as Error | undefined)?.message, 'given up');
    await stays;
    assert.deepEqual(
      shares.map(({ pid }) => isGone(pid)),
      [true, true],
    );
    assert.equal(own.captured.withMessage('The daemon ignored SIGTERM; sending SIGKILL').length, 2);
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('says in the log what kept it from its end when nobody waits for it any more', async () => {
    await using own = await openTestHost();
    const { sandboxes } = own.host;
    const { shares } = await sandboxes.create(request('a', { tag: 'x' }));
    const mountpoint = join(shares[0]?.sharedDir ?? '', 'mounted');
    await mkdir(mountpoint);
    await execa('mount', ['-t', 'tmpfs', 'csv-test', mountpoint]);
    try {
      const signal = AbortSignal.abort(new Error('given up'));
      await assert.rejects(sandboxes.delete('default', 'a', { signal }), { message: 'given up' });
      await eventually('it says so', () => own.captured.withMessage('Cannot delete a sandbox').length === 1);
      await assert.rejects(sandboxes.get('default', 'a').closeShare('x', { signal }), {
        message: 'given up',
      });
      await eventually('it says so', () => own.captured.withMessage('Cannot close a share').length === 1);
    } finally {
      await execa('umount', [mountpoint]);
    }
  });

  test('fails while something is mounted in a share, keeps the sandbox, and can be tried again', async () => {
    await using own = await openTestHost();
    const { sandboxes } = own.host;
    const { shares } = await sandboxes.create(request('a', { tag: 'x' }));
    const mountpoint = join(shares[0]?.sharedDir ?? '', 'mounted');
    await mkdir(mountpoint);
    await execa('mount', ['-t', 'tmpfs', 'csv-test', mountpoint]);
    try {
      await assert.rejects(sandboxes.delete('default', 'a'), { code: Code.FailedPrecondition });
      assert.equal(sandboxes.get('default', 'a').shares.length, 1);
    } finally {
      await execa('umount', [mountpoint]);
    }
    await sandboxes.delete('default', 'a');
    assert.deepEqual(await leftovers(own.state), []);
    assert.equal(sandboxes.size, 0);
  });
});

describe('Sandbox', () => {
  test('grows and shrinks: openShare() adds a share, closeShare() takes it out and leaves the others', async () => {
    await using own = await openTestHost();
    const sandbox = await own.host.sandboxes.create(request('a', { tag: 'first' }));
    const [first] = sandbox.shares;
    const second = await sandbox.openShare({ tag: 'second', source: own.source });
    assert.deepEqual(
      sandbox.shares.map(({ tag }) => tag),
      ['first', 'second'],
    );
    await second.ready;
    assert.equal(second.status().state, 'waiting');
    await sandbox.closeShare('second');
    assert.equal(isGone(second.pid), true);
    assert.equal(isGone(first?.pid ?? 0), false);
    assert.deepEqual(sandbox.shares, [first]);
    await assert.rejects(sandbox.closeShare('second'), {
      code: Code.NotFound,
      message: 'Sandbox "a" has no share "second"',
    });
    const again = await sandbox.openShare({ tag: 'second' });
    assert.notEqual(again.pid, second.pid);
    await own.host.sandboxes.delete('default', 'a');
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('refuses a tag in use from the moment at which it is asked for, and frees it when its share fails', async () => {
    await using own = await openTestHost();
    const sandbox = await own.host.sandboxes.create(request('a'));
    const opening = sandbox.openShare({ tag: 'x' });
    const taken = {
      code: Code.AlreadyExists,
      message: 'Sandbox "a" already has a share "x": close it first',
    };
    await assert.rejects(sandbox.openShare({ tag: 'x' }), taken);
    await opening;
    await assert.rejects(sandbox.openShare({ tag: 'x' }), taken);
    await assert.rejects(sandbox.openShare({ tag: 'y', source: '/nonexistent' }), { code: Code.NotFound });
    await sandbox.openShare({ tag: 'y' });
  });

  test('closeShare() cancels a share that is being opened', async () => {
    await using own = await openTestHost({ daemon: 'never-ready' });
    const { sandboxes } = own.host;
    const sandbox = await sandboxes.create(request('a', { tag: 'one' }, { tag: 'two' }));
    const before = await leftovers(own.state);
    // Both slots are taken.
    const canceled = assert.rejects(sandbox.openShare({ tag: 'three' }), {
      code: Code.Canceled,
      message: /^(Cannot start share "three": )?Share "three" was closed while it was being opened$/,
    });
    await sandbox.closeShare('three');
    await canceled;
    assert.deepEqual(await leftovers(own.state), before);
    assert.equal(sandbox.exit, undefined);
  });

  test('opens no share once it has ended, and none that is asked for while it ends is left', async () => {
    await using own = await openTestHost();
    const { sandboxes } = own.host;
    const sandbox = await sandboxes.create(request('a', { tag: 'x' }));
    const opening = sandbox.openShare({ tag: 'y' }).catch((error: unknown) => error);
    await sandboxes.delete('default', 'a');
    await opening;
    await assert.rejects(sandbox.openShare({ tag: 'z' }), {
      code: Code.FailedPrecondition,
      message: 'Sandbox "a" has ended: create it again',
    });
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('does not end when its last share is closed, and ends when a daemon of it fails', async () => {
    await using own = await openTestHost();
    const sandbox = await own.host.sandboxes.create(request('a', { tag: 'x' }));
    await sandbox.closeShare('x');
    assert.equal(sandbox.exit, undefined);
    const share = await sandbox.openShare({ tag: 'x' });
    process.kill(share.pid, 'SIGKILL');
    const { exitStatus, failed } = await sandbox.ended;
    assert.deepEqual([exitStatus, failed?.tag], [137, 'x']);
  });
});
