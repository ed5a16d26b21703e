import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { openHost } from '../../src/host/host.ts';
import { readStat } from '../../src/proc/stat.ts';
import { writeBundle } from '../harness/bundle.ts';
import { captureLog } from '../harness/captured-log.ts';
import { eventually } from '../harness/eventually.ts';
import { fixture } from '../harness/fixtures.ts';
import { isGone } from '../harness/leftovers.ts';
import { lockHolder } from '../harness/lock-holder.ts';
import { startServe } from '../harness/serve-process.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { ENDLESS_PROVIDER, writePlugin } from '../harness/test-plugin.ts';

/** Opens the share `work` of sandbox `sb` on the host of a process; returns its daemon and socket. */
async function openShare(
  host: Awaited<ReturnType<typeof startServe>>,
  directory: string,
): Promise<{ pid: number; socketPath: string }> {
  const bundlePath = await writeBundle(directory, [{ type: 'virtiofs', destination: 'work' }]);
  await host.client.createSandbox({ sandboxId: 'sb', bundlePath });
  const { pid } = await host.client.startSandbox({ sandboxId: 'sb' });
  const { info } = await host.client.sandboxStatus({ sandboxId: 'sb', verbose: true });
  const { socketPath } = JSON.parse(info['share.work'] ?? '') as { socketPath: string };
  return { pid, socketPath };
}

const openAndClose = async (directory: string): Promise<void> => {
  const host = await openHost({ config: join(directory, 'config.toml'), log: captureLog().log });
  await host[Symbol.asyncDispose]();
};

const end = async (pid: number): Promise<void> => {
  process.kill(pid, 'SIGKILL');
  await eventually('the daemon is gone', () => isGone(pid));
};

describe('shim-virtiofs serve', () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(`ends with 0 at ${signal}, removes its socket, gives up its lock and leaves the shares alive`, async () => {
      await using directory = await temporaryDirectory();
      await using host = await startServe(directory.path, { daemon: fixture('waits') });
      const { pid, socketPath } = await openShare(host, directory.path);
      assert.equal(await host.end(signal), 0);
      try {
        assert.equal(isGone(pid), false);
        assert.equal(existsSync(socketPath), true);
        assert.equal(existsSync(join(directory.path, 'state', 'host.sock')), false);
      } catch (error) {
        await end(pid);
        throw error;
      }
      // The next host has the lock, and ends them.
      await openAndClose(directory.path);
      assert.equal(isGone(pid), true);
      assert.equal(existsSync(socketPath), false);
    });
  }

  test('ends with 1 and says why where another host has its state directory, and leaves the shares alive', async () => {
    await using directory = await temporaryDirectory();
    await using host = await startServe(directory.path, { daemon: fixture('waits') });
    const { pid, socketPath } = await openShare(host, directory.path);
    const own = ['host.sock', 'host.address', 'host.pid'].map((name) => join(directory.path, 'state', name));
    const lock = join(directory.path, 'state', 'host.lock');
    try {
      process.kill(host.pid, 'SIGSTOP');
      await eventually('it stands still', () => readStat(host.pid)?.state === 'T');
      process.kill(lockHolder(lock) ?? assert.fail('nobody holds the lock'), 'SIGKILL');
      await eventually('the lock is free', () => lockHolder(lock) === undefined);
      const other = execa('flock', [lock, 'cat'], { reject: false });
      await eventually('another one has it', () => lockHolder(lock) !== undefined);
      assert.equal(await host.end('SIGCONT'), 1);
      const said =
        'shim-virtiofs: Somebody killed the holder of the lock of this host, and another host has it by now: ' +
        'this one opens no share any more, and leaves those that it has';
      await eventually('it says why', () => host.output.includes(said));
      assert.deepEqual(own.map(existsSync), [false, false, false]);
      assert.deepEqual([isGone(pid), existsSync(socketPath)], [false, true]);
      other.stdin.end();
      await other;
    } catch (error) {
      await end(pid);
      throw error;
    }
    await openAndClose(directory.path);
    assert.equal(isGone(pid), true);
  });

  test('leaves the shares alive and its lock free when it is killed', async () => {
    await using directory = await temporaryDirectory();
    await using host = await startServe(directory.path, { daemon: fixture('waits') });
    const { pid, socketPath } = await openShare(host, directory.path);
    assert.equal(await host.end('SIGKILL'), 'SIGKILL');
    try {
      assert.equal(isGone(pid), false);
      assert.equal(existsSync(socketPath), true);
    } catch (error) {
      await end(pid);
      throw error;
    }
    await eventually('another host can be opened', () =>
      openAndClose(directory.path).then(
        () => true,
        () => false,
      ),
    );
    assert.equal(isGone(pid), true);
    assert.equal(existsSync(socketPath), false);
  });

  test('undoes what it is creating when it ends', async () => {
    await using directory = await temporaryDirectory();
    const plugins = join(directory.path, 'plugins');
    await writePlugin(plugins, { id: 'endless', code: ENDLESS_PROVIDER });
    const options = { daemon: fixture('never-ready'), pluginDirs: [plugins] };
    await using host = await startServe(directory.path, options);
    const mount = { type: 'virtiofs', destination: 'work' };
    const bundlePath = await writeBundle(directory.path, [mount]);
    const endless = await writeBundle(directory.path, [
      mount,
      { ...mount, destination: 'endless', options: ['shared_fs=fs-endless'] },
    ]);
    const pids: number[] = [];
    for (const sandboxId of ['one', 'two']) {
      await host.client.createSandbox({ sandboxId, bundlePath });
      pids.push((await host.client.sandboxStatus({ sandboxId })).pid);
    }
    const waiting = assert.rejects(host.client.createSandbox({ sandboxId: 'three', bundlePath: endless }));
    const place = join(directory.path, 'state', 'sandboxes', 'default');
    await eventually('it is being created', () => existsSync(join(place, 'three')));
    assert.equal(await host.end('SIGTERM'), 0);
    await waiting;
    assert.equal(existsSync(join(place, 'one')), true);
    assert.equal(existsSync(join(place, 'three')), false);
    for (const pid of pids) await end(pid);
  });
});
