import assert from 'node:assert/strict';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { openHost } from '../../src/host/host.ts';
import type { Host } from '../../src/index.ts';
import { captureLog } from '../harness/captured-log.ts';
import { eventually } from '../harness/eventually.ts';
import { fixture } from '../harness/fixtures.ts';
import { isGone } from '../harness/leftovers.ts';
import { sandboxRequest } from '../harness/sandbox-request.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { VIRTIOFS } from '../harness/test-host.ts';

// These mount, and so need root.

/** A host whose state stands on a tmpfs of its own. */
async function hostOnTmpfs(): Promise<{ host: Host; state: string } & AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory());
  const mountpoint = join(directory.path, 'tmpfs');
  await mkdir(mountpoint);
  await execa('mount', ['-t', 'tmpfs', 'csv-test', mountpoint]);
  stack.defer(async () => void (await execa('umount', ['--lazy', mountpoint])));
  const state = join(mountpoint, 'state');
  const table = { virtio_fs_daemon: fixture('waits'), virtio_fs_dialect: 'rust' };
  const config = { version: 1 as const, state, plugins: { [VIRTIOFS]: table } };
  const host = await openHost({ config, log: captureLog().log });
  stack.defer(() => host[Symbol.asyncDispose]());
  const own = stack.move();
  return { host, state, [Symbol.asyncDispose]: () => own.disposeAsync() };
}

/** Creates a sandbox with a share, and waits until its daemon has all that it needs of the state. */
async function openReady(host: Host, sandboxId: string, source?: string): Promise<void> {
  const share = { tag: 'work', ...(source === undefined ? {} : { source }) };
  const { shares } = await host.sandboxes.create(sandboxRequest(sandboxId, share));
  await shares[0]?.ready;
}

/** Ends the daemon of a sandbox's only share; resolves to how the sandbox ended. */
async function killDaemon(host: Host, sandboxId: string): Promise<number> {
  const sandbox = host.sandboxes.get('default', sandboxId);
  const pid = sandbox.shares[0]?.pid ?? 0;
  process.kill(pid, 'SIGKILL');
  const { exitStatus } = await sandbox.ended;
  assert.equal(isGone(pid), true);
  return exitStatus;
}

describe('a host', () => {
  test('lives on when a daemon ends while its state is read-only, and cleans up when it can again', async () => {
    await using own = await hostOnTmpfs();
    const { host, state } = own;
    const { sandboxes } = host;
    await openReady(host, 'a');
    // Over the state, because a mount with files that are open for writing cannot become read-only itself.
    await execa('mount', ['--bind', state, state]);
    await execa('mount', ['-o', 'remount,bind,ro', state]);
    try {
      assert.equal(await killDaemon(host, 'a'), 137);
      await assert.rejects(sandboxes.create(sandboxRequest('b', { tag: 'work' })));
      await assert.rejects(sandboxes.delete('default', 'a'), /EROFS|read-only/i);
    } finally {
      await execa('umount', ['--lazy', state]);
    }
    await sandboxes.delete('default', 'a');
    await sandboxes.create(sandboxRequest('b', { tag: 'work' }));
    await sandboxes.delete('default', 'b');
  });

  for (const [what, lose] of [
    ['has vanished', (state: string) => rm(state, { recursive: true, maxRetries: 9 })],
    ['has moved', (state: string) => rename(state, `${state}-elsewhere`)],
    [
      'is a file by now',
      async (state: string) => {
        await rename(state, `${state}-elsewhere`);
        await writeFile(state, '');
      },
    ],
  ] as const) {
    test(`lives on when a daemon ends while its state ${what}`, async () => {
      await using own = await hostOnTmpfs();
      const { host, state } = own;
      await openReady(host, 'a', '/usr');
      await openReady(host, 'b', '/usr');
      await lose(state);
      assert.equal(await killDaemon(host, 'a'), 137);
      const [share] = host.sandboxes.get('default', 'b').shares;
      assert.equal(share?.status().state !== 'exited', true);
      await assert.rejects(host.sandboxes.create(sandboxRequest('c', { tag: 'work' })));
      await Promise.allSettled(['a', 'b'].map((id) => host.sandboxes.delete('default', id)));
      await eventually('the daemon is gone', () => isGone(share?.pid ?? 0));
    });
  }
});
