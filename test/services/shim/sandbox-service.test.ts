import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { writeBundle } from '../../harness/bundle.ts';
import { isGone, leftovers } from '../../harness/leftovers.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { serveTestHost } from '../../harness/test-host.ts';
import { writePlugin } from '../../harness/test-plugin.ts';
import { packageVersion } from '../../../src/package.ts';
import type { ShareStatus } from '../../../src/share/contract.ts';
import { addByChRemote, removeByChRemote } from '../../../src/vmm/cloud-hypervisor.ts';

const share = (
  destination: string,
  source?: string,
): { type: string; destination: string; source?: string } => ({
  type: 'virtiofs',
  destination,
  ...(source === undefined ? {} : { source }),
});

describe('Sandbox service', () => {
  test('creates, starts, shows, stops and forgets a sandbox of the bundle', async () => {
    await using own = await serveTestHost();
    const { client } = own;
    const sandboxId = 'sb';
    const bundlePath = await writeBundle(own.path, [share('one', own.source), share('two')]);
    const before = Date.now();
    await client.createSandbox({ sandboxId, bundlePath });
    const { pid, createdAt } = await client.startSandbox({ sandboxId });
    assert.equal(isGone(pid), false);
    assert.equal(Math.abs(Number(createdAt?.seconds) * 1000 - before) < 60_000, true);
    await client.pingSandbox({ sandboxId });

    const { info, ...plain } = await client.sandboxStatus({ sandboxId, verbose: true });
    assert.deepEqual([plain.sandboxId, plain.pid, plain.state], ['sb', pid, 'SANDBOX_READY']);
    const one = JSON.parse(info['share.one'] ?? '') as Record<string, unknown>;
    assert.deepEqual(
      [one['tag'], one['pid'], one['state'], one['sharedDir']],
      ['one', pid, 'waiting', own.source],
    );
    const socketPath = String(one['socketPath']);
    assert.equal(existsSync(socketPath), true);
    const qemu = JSON.parse(info['vmm.qemu'] ?? '') as string[];
    assert.equal(qemu.includes(`socket,id=fs-one,path=${socketPath}`), true);
    const elements = JSON.parse(info['vmm.libvirt'] ?? '') as string[];
    assert.equal(
      elements.some((element) => element.includes(`socket='${socketPath}'`)),
      true,
    );
    const hotplug = JSON.parse(info['vmm.cloud-hypervisor.hotplug'] ?? '') as Record<string, unknown>;
    assert.deepEqual(Object.keys(hotplug), ['one', 'two']);
    assert.deepEqual(hotplug['two'], {
      add: addByChRemote(JSON.parse(info['share.two'] ?? '') as ShareStatus),
      remove: removeByChRemote({ tag: 'two' }),
    });
    assert.equal((JSON.parse(info['host'] ?? '') as { pid: number }).pid, process.pid);
    assert.deepEqual((await client.sandboxStatus({ sandboxId })).info, {});

    const waiting = client.waitSandbox({ sandboxId });
    await client.stopSandbox({ sandboxId });
    assert.equal(isGone(pid), true);
    assert.equal(existsSync(socketPath), false);
    const { exitStatus, exitedAt } = await waiting;
    assert.equal(exitStatus, 0);
    assert.equal(Number(exitedAt?.seconds) > 0, true);
    const stopped = await client.sandboxStatus({ sandboxId, verbose: true });
    assert.equal(stopped.state, 'SANDBOX_NOTREADY');
    assert.deepEqual(stopped.exitedAt, exitedAt);
    assert.equal((JSON.parse(stopped.info['exit'] ?? '') as { exitStatus: number }).exitStatus, 0);
    await client.stopSandbox({ sandboxId });

    await client.shutdownSandbox({ sandboxId });
    await client.shutdownSandbox({ sandboxId });
    await assert.rejects(client.sandboxStatus({ sandboxId }), { code: Code.NotFound });
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('tells the platform in the words of Go', async () => {
    await using own = await serveTestHost();
    const { platform } = await own.client.platform({ sandboxId: 'any' });
    const architecture = { x64: 'amd64', arm64: 'arm64' }[process.arch as 'x64' | 'arm64'];
    assert.deepEqual([platform?.os, platform?.architecture], ['linux', architecture]);
  });

  test('answers NotFound for an unknown sandbox, but not to a shutdown', async () => {
    await using own = await serveTestHost();
    const { client } = own;
    const sandboxId = 'unknown';
    const expected = { code: Code.NotFound, message: 'No sandbox "unknown" in namespace "default"' };
    for (const call of [
      'startSandbox',
      'stopSandbox',
      'waitSandbox',
      'sandboxStatus',
      'pingSandbox',
    ] as const) {
      await assert.rejects(client[call]({ sandboxId }), expected, call);
    }
    await client.shutdownSandbox({ sandboxId });
  });

  test('keeps the namespaces of containerd apart', async () => {
    await using own = await serveTestHost();
    const { client } = own;
    const metadata = { 'containerd-namespace-ttrpc': 'k8s.io' };
    await client.createSandbox({ sandboxId: 'a' }, { metadata });
    await client.createSandbox({ sandboxId: 'a' });
    await client.shutdownSandbox({ sandboxId: 'a' });
    await assert.rejects(client.pingSandbox({ sandboxId: 'a' }), { code: Code.NotFound });
    await client.pingSandbox({ sandboxId: 'a' }, { metadata });
  });

  test('opens the shares of the configuration where the bundle has no spec, and none where the spec has none', async () => {
    await using own = await serveTestHost({ config: { shares: [{ tag: 'of-the-config' }] } });
    const { client } = own;
    await client.createSandbox({ sandboxId: 'cri', bundlePath: own.path });
    const { info } = await client.sandboxStatus({ sandboxId: 'cri', verbose: true });
    assert.equal('share.of-the-config' in info, true);
    const bundlePath = await writeBundle(own.path, []);
    await client.createSandbox({ sandboxId: 'ctr', bundlePath });
    const { pid } = await client.startSandbox({ sandboxId: 'ctr' });
    assert.equal(pid, process.pid);
  });

  test('answers InvalidArgument for ids with path tricks and specs that are none', async () => {
    await using own = await serveTestHost();
    const { client } = own;
    for (const sandboxId of ['', '..', '../../etc', 'a/b']) {
      await assert.rejects(client.createSandbox({ sandboxId }), { code: Code.InvalidArgument });
    }
    const bundlePath = await writeBundle(own.path, [share('..', '/etc')]);
    await assert.rejects(client.createSandbox({ sandboxId: 'a', bundlePath }), {
      code: Code.InvalidArgument,
      message: /^Invalid tag "\.\."/,
    });
    assert.deepEqual(await leftovers(own.state), []);
  });

  test("fails a start with the daemon's exit status and words", async () => {
    await using own = await serveTestHost({ daemon: 'exits-early' });
    const { client } = own;
    const bundlePath = await writeBundle(own.path, [share('work')]);
    await client.createSandbox({ sandboxId: 'sb', bundlePath });
    await assert.rejects(client.startSandbox({ sandboxId: 'sb' }), {
      name: 'StatusError',
      code: Code.FailedPrecondition,
      message:
        'Cannot start share "work": virtiofsd exited with code 7: cannot open the directory: it is a teapot',
    });
    assert.equal((await client.waitSandbox({ sandboxId: 'sb' })).exitStatus, 7);
    assert.equal((await client.sandboxStatus({ sandboxId: 'sb' })).state, 'SANDBOX_NOTREADY');
    await client.shutdownSandbox({ sandboxId: 'sb' });
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('fails a start with DeadlineExceeded at a daemon that is never ready, which a shutdown then ends', async () => {
    await using own = await serveTestHost({
      daemon: 'never-ready',
      virtiofs: { virtio_fs_start_timeout_ms: 30 },
    });
    const { client } = own;
    const bundlePath = await writeBundle(own.path, [share('work')]);
    await client.createSandbox({ sandboxId: 'sb', bundlePath });
    await assert.rejects(client.startSandbox({ sandboxId: 'sb' }), {
      code: Code.DeadlineExceeded,
      message: /^Cannot start share "work": virtiofsd did not say within 30 ms that it waits for its VMM/,
    });
    await client.shutdownSandbox({ sandboxId: 'sb' });
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('fails the start of a sandbox whose daemon was ready and has ended since, and of one that was stopped', async () => {
    await using own = await serveTestHost();
    const { client } = own;
    const bundlePath = await writeBundle(own.path, [share('one'), share('two')]);
    for (const sandboxId of ['killed', 'stopped']) await client.createSandbox({ sandboxId, bundlePath });
    const { pid } = await client.startSandbox({ sandboxId: 'killed' });
    process.kill(pid, 'SIGKILL');
    await client.waitSandbox({ sandboxId: 'killed' });
    await assert.rejects(client.startSandbox({ sandboxId: 'killed' }), {
      code: Code.FailedPrecondition,
      message: /^Sandbox "killed" has ended: share "one": virtiofsd was killed by SIGKILL/,
    });
    await client.stopSandbox({ sandboxId: 'stopped' });
    await assert.rejects(client.startSandbox({ sandboxId: 'stopped' }), {
      code: Code.FailedPrecondition,
      message: 'Sandbox "stopped" has ended: it was stopped',
    });
  });

  test('tells of the other shares where a plugin cannot tell of one, and the versions of host and Node.js', async () => {
    await using directory = await temporaryDirectory();
    const code = `
const closed = new Promise(() => {});
export const create = () => ({
  open: async ({ tag }) => ({
    tag, socketPath: '/s', sharedDir: '/d', queueSize: 1, pid: process.pid, ready: Promise.resolve(), closed,
    [Symbol.asyncDispose]: async () => {},
    status: () => { if (tag === 'dumb') throw new Error('no word'); return { tag, state: 'waiting', lastLines: [] }; },
  }),
  close: async () => {},
});`;
    await writePlugin(directory.path, { id: 'dumb', code });
    const shares = ['dumb', 'other'].map((tag) => ({ tag, shared_fs: 'fs-dumb' }));
    await using own = await serveTestHost({ config: { plugin_dirs: [directory.path], shares } });
    await own.client.createSandbox({ sandboxId: 'sb', bundlePath: directory.path });
    const { info, state } = await own.client.sandboxStatus({ sandboxId: 'sb', verbose: true });
    assert.equal(state, 'SANDBOX_READY');
    const dumb = JSON.parse(info['share.dumb'] ?? '') as { tag: string; lastLines: string[] };
    assert.equal(dumb.tag, 'dumb');
    assert.match(dumb.lastLines[0] ?? '', /fsshare\.v1\.dumb" .* cannot say its status: no word$/);
    assert.deepEqual(JSON.parse(info['share.other'] ?? ''), {
      tag: 'other',
      state: 'waiting',
      lastLines: [],
    });
    const { version, node } = JSON.parse(info['host'] ?? '') as { version: string; node: string };
    assert.deepEqual([version, node], [packageVersion(), process.version]);
  });
});
