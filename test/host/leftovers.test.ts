import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { Code } from 'ttrpc-ts';
import type { Sandbox } from '../../src/host/contract.ts';
import { openHost, type Host } from '../../src/host/host.ts';
import { captureLog, type CapturedLog } from '../harness/captured-log.ts';
import { eventually } from '../harness/eventually.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { sandboxRequest as request } from '../harness/sandbox-request.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { VIRTIOFS, virtiofsTable } from '../harness/test-host.ts';

// The one that mounts needs root.

interface OpenedHost {
  readonly host: Host;
  readonly captured: CapturedLog;
}

async function open(state: string, daemon = 'waits'): Promise<OpenedHost> {
  const captured = captureLog();
  const plugins = { [VIRTIOFS]: virtiofsTable(daemon) };
  const host = await openHost({
    config: { version: 1, state, scratch_dir: state, plugins },
    log: captured.log,
  });
  return { host, captured };
}

/** What stays of a host that has gone: a sandbox for each id, with a share `x` that the host owns. */
async function leaveBehind(state: string, ids: readonly string[], daemon?: string): Promise<Sandbox[]> {
  const { host } = await open(state, daemon);
  const sandboxes = await Promise.all(ids.map((id) => host.sandboxes.create(request(id, { tag: 'x' }))));
  await Promise.all(sandboxes.flatMap(({ shares }) => shares.map(({ ready }) => ready)));
  await host.detach();
  return sandboxes;
}

const shareOf = (sandbox: Sandbox | undefined): Sandbox['shares'][number] =>
  sandbox?.shares[0] ?? assert.fail('no share');

describe('openHost()', () => {
  test('ends all that dead hosts left, whoever asks for it', async () => {
    await using directory = await temporaryDirectory();
    const state = join(directory.path, 'state');
    const left = await leaveBehind(state, ['a', 'b', 'c']);
    for (const sandbox of left) assert.equal(isGone(shareOf(sandbox).pid), false);
    const { host } = await open(state);
    await using _ = host;
    await eventually('the state is empty', () => readdirSync(host.stateDir.sandboxesDirectory).length === 0);
    for (const sandbox of left) {
      const { pid, socketPath, sharedDir } = shareOf(sandbox);
      assert.equal(isGone(pid), true);
      assert.equal(existsSync(socketPath), false);
      assert.equal(existsSync(sharedDir), false);
    }
    assert.deepEqual(await leftovers(state), []);
  });

  test('lets a request for an id wait until what was left under it is gone', async () => {
    await using directory = await temporaryDirectory();
    const state = join(directory.path, 'state');
    const [left] = await leaveBehind(state, ['a'], 'ignores-sigterm');
    const { host } = await open(state);
    await using _ = host;
    // Nothing has been ended yet: this is the turn in which the host was opened.
    assert.equal(isGone(shareOf(left).pid), false);
    const next = await host.openShare({ sandboxId: 'a', tag: 'x' });
    assert.equal(isGone(shareOf(left).pid), true);
    assert.equal(isGone(next.pid), false);
    assert.equal(existsSync(next.socketPath), true);
  });

  test('lets a deletion overtake a request that waits', async () => {
    await using directory = await temporaryDirectory();
    const state = join(directory.path, 'state');
    await leaveBehind(state, ['a'], 'ignores-sigterm');
    const { host } = await open(state);
    await using _ = host;
    const waiting = assert.rejects(host.sandboxes.create(request('a', { tag: 'x' })), {
      code: Code.Canceled,
      message: 'Sandbox "a" was deleted while it was being created',
    });
    await host.sandboxes.delete('default', 'a');
    await waiting;
    assert.equal(host.sandboxes.size, 0);
  });

  test('removes sockets and directories that no record names, and nothing of other names', async () => {
    await using directory = await temporaryDirectory();
    const state = join(directory.path, 'state');
    const { host: former } = await open(state);
    const { stateDir } = former;
    await former.detach();
    const hidden = join(stateDir.socketDirectory, '.0123456789ab');
    const others = [join(stateDir.socketDirectory, 'precious'), join(stateDir.sharedDirectory, 'precious')];
    const server = createServer().listen(stateDir.newSocketPath());
    await once(server, 'listening');
    writeFileSync(hidden, '');
    writeFileSync(stateDir.apiSocketOf(stateDir.newSocketPath()), '');
    mkdirSync(join(stateDir.newSharedDirectory(), 'of a guest'), { recursive: true });
    for (const path of others) mkdirSync(path);
    try {
      const { host } = await open(state);
      await using _ = host;
      await host.adopted;
      const names = [stateDir.socketDirectory, stateDir.sharedDirectory].map((path) => readdirSync(path));
      assert.deepEqual(names, [['precious'], ['precious', 'trash']]);
    } finally {
      server.close();
    }
  });

  test('leaves alone what a record names that it cannot read, and says which one', async () => {
    await using directory = await temporaryDirectory();
    const state = join(directory.path, 'state');
    const [torn, whole] = await leaveBehind(state, ['torn', 'whole']);
    const record = join(state, 'sandboxes/default/torn/x/share.json');
    writeFileSync(record, '{"formatVersion": 1');
    const { host, captured } = await open(state);
    await using _ = host;
    await eventually('the other is ended', () => isGone(shareOf(whole).pid));
    const message = `Cannot read the share's record "${record}": it is no JSON`;
    await eventually('it is said', () => captured.lines.some(({ msg }) => msg === message));
    const { pid, socketPath, sharedDir } = shareOf(torn);
    try {
      await assert.rejects(host.openShare({ sandboxId: 'torn', tag: 'x' }), {
        code: Code.FailedPrecondition,
        message,
      });
      assert.equal(isGone(pid), false);
      assert.equal(existsSync(socketPath), true);
      assert.equal(existsSync(sharedDir), true);
    } finally {
      process.kill(pid, 'SIGKILL');
    }
    rmSync(record);
    await using share = await host.openShare({ sandboxId: 'torn', tag: 'x' });
    assert.equal(isGone(share.pid), false);
  });

  test('takes no tag for one in use because of what others put beside our files', async () => {
    await using directory = await temporaryDirectory();
    const state = join(directory.path, 'state');
    await leaveBehind(state, ['a']);
    writeFileSync(join(state, 'sandboxes/default/a/x/notes'), '');
    const { host } = await open(state);
    await using _ = host;
    await using share = await host.openShare({ sandboxId: 'a', tag: 'x' });
    assert.equal(isGone(share.pid), false);
    await share[Symbol.asyncDispose]();
    assert.deepEqual(await leftovers(state), []);
  });

  test('keeps on record what it cannot remove yet, and removes it for the next request', async () => {
    await using directory = await temporaryDirectory();
    const state = join(directory.path, 'state');
    const [left] = await leaveBehind(state, ['a']);
    const mountpoint = join(shareOf(left).sharedDir, 'mounted');
    mkdirSync(mountpoint);
    await execa('mount', ['-t', 'tmpfs', 'csv-test', mountpoint]);
    const { host, captured } = await open(state);
    await using _ = host;
    const said = 'Cannot end what a dead host left of a sandbox';
    try {
      await eventually('it is said', () => captured.withMessage(said).length > 0);
      await assert.rejects(host.openShare({ sandboxId: 'a', tag: 'x' }), {
        code: Code.FailedPrecondition,
        message: `Cannot remove "${shareOf(left).sharedDir}": "${mountpoint}" is still mounted; unmount it first`,
      });
      assert.equal(isGone(shareOf(left).pid), true);
    } finally {
      await execa('umount', [mountpoint]);
    }
    await using share = await host.openShare({ sandboxId: 'a', tag: 'x' });
    assert.equal(isGone(share.pid), false);
  });
});

describe('Sandboxes.reap()', () => {
  test('leaves a living sandbox alone, while it is being created and after', async () => {
    await using directory = await temporaryDirectory();
    const { host } = await open(join(directory.path, 'state'));
    await using _ = host;
    const creating = host.sandboxes.create(request('a', { tag: 'x' }));
    await host.sandboxes.reap('default', 'a');
    const sandbox = await creating;
    await host.sandboxes.reap('default', 'a');
    assert.equal(isGone(shareOf(sandbox).pid), false);
    assert.equal(existsSync(shareOf(sandbox).socketPath), true);
  });
});
