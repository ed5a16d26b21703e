import assert from 'node:assert/strict';
import { readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { ShareRecord } from '../../src/share/record.ts';
import { eventually } from '../harness/eventually.ts';
import { fixture } from '../harness/fixtures.ts';
import { runGuest } from '../harness/guest/run-guest.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { startServe, type ServeProcess } from '../harness/serve-process.ts';
import { readUntil, serveShares, summary } from '../harness/share-client.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { serveTestHost } from '../harness/test-host.ts';
import { askFeatures, connectVhostUser } from '../harness/vhost-user.ts';
import { realVirtiofsds } from '../harness/virtiofsds.ts';
import { openWatched } from '../harness/watched-share.ts';

// These start real virtiofsds in namespaces of their own, and so need root.

const respawn = { virtio_fs_on_exit: 'respawn' };
const keep = { virtio_fs_on_exit: 'keep' };
const name = { sandboxId: 'sb', tag: 'work' };

/** Hosts of one state directory, one after the other, that respawn. */
interface Node extends AsyncDisposable {
  readonly state: string;
  start(): Promise<ServeProcess>;
  record(): ShareRecord;
}

async function openNode(options: Parameters<typeof startServe>[1]): Promise<Node> {
  const directory = await temporaryDirectory();
  const state = join(directory.path, 'state');
  const table = 'virtio_fs_on_exit = "respawn"';
  return {
    state,
    start: () => startServe(directory.path, { table, ...options }),
    record: () =>
      JSON.parse(readFileSync(join(state, 'sandboxes/default/sb/work/share.json'), 'utf8')) as ShareRecord,
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

const virtiofsds = await realVirtiofsds();

for (const virtiofsd of virtiofsds) {
  const { name: title, dialect, path: daemon, skip } = virtiofsd;

  describe(`virtio_fs_on_exit = "respawn" with ${title}`, { skip }, () => {
    test('serves one VMM after the other on the same socket', async () => {
      await using own = await openWatched(virtiofsd, { virtiofs: respawn });
      const { share, sandbox } = own;
      const pids: number[] = [];
      for (let vmm = 0; vmm < 12; vmm++) {
        await eventually('there is a daemon', () => share.status().restarts === vmm);
        await share.ready;
        pids.push(share.pid);
        using client = await own.connect();
        assert.notEqual(await client.getFeatures(), 0n);
      }
      await eventually('the next one is there', () => share.status().restarts === 12);
      assert.equal(new Set([...pids, share.pid]).size, 13);
      assert.deepEqual([sandbox.exit, own.quits], [undefined, []]);
      // A VMM that comes back at once finds it.
      const delays = own.captured.lines.flatMap((line) => ('delayMs' in line ? [line['delayMs']] : []));
      assert.deepEqual([...new Set(delays)], [0]);
      await own.host.sandboxes.delete('default', 'a');
      assert.deepEqual(
        [...pids, share.pid].filter((pid) => !isGone(pid)),
        [],
      );
      assert.deepEqual(await leftovers(own.state), []);
    });

    test('replaces a daemon that was killed while it waited', async () => {
      await using own = await openWatched(virtiofsd, { virtiofs: respawn });
      const { share, sandbox } = own;
      await share.ready;
      const { pid } = share;
      process.kill(pid, 'SIGKILL');
      await eventually('there is another one', () => share.pid !== pid);
      await share.ready;
      assert.notEqual(await askFeatures(share.socketPath), 0n);
      assert.equal(sandbox.exit, undefined);
    });

    test('ends the sandbox where it was killed under its VMM', async () => {
      await using own = await openWatched(virtiofsd, { virtiofs: respawn });
      const { share, sandbox } = own;
      using _ = await own.connect();
      process.kill(share.pid, 'SIGKILL');
      const { cause, exitStatus } = await sandbox.ended;
      assert.deepEqual([cause, exitStatus, share.status().restarts], ['crashed', 137, 0]);
      await own.host.sandboxes.delete('default', 'a');
      assert.deepEqual(await leftovers(own.state), []);
    });

    test('is what a host does to the shares that it adopts', async () => {
      await using node = await openNode({ daemon, dialect });
      let pid = 0;
      let socketPath = '';
      {
        await using former = await node.start();
        const { share } = await former.shares.open(name);
        ({ pid, socketPath } = share ?? { pid, socketPath });
        await former.end('SIGKILL');
      }
      // Its VMM comes and goes while there is no host.
      assert.notEqual(await askFeatures(socketPath), 0n);
      await eventually('its daemon has ended', () => isGone(pid));
      await using host = await node.start();
      await eventually('there is another one', async () => {
        const { share } = await host.shares.get(name);
        return share?.state === 'waiting' && share.pid !== pid;
      });
      const { share } = await host.shares.get(name);
      assert.deepEqual([share?.restarts, share?.adopted, share?.socketPath], [1, false, socketPath]);
      // And while there is one.
      assert.notEqual(await askFeatures(socketPath), 0n);
      await eventually('there is a third one', async () => {
        const { share: now } = await host.shares.get(name);
        return now?.restarts === 2 && now.state === 'waiting';
      });
      await host.end('SIGKILL');
      await using last = await node.start();
      await eventually('it is known', async () => (await last.shares.get(name)).share?.state !== 'starting');
      const { share: third } = await last.shares.get(name);
      // The VMM of an earlier daemon is not this one's.
      assert.deepEqual([third?.state, third?.restarts, third?.adopted], ['waiting', 2, true]);
      assert.equal((await last.shares.close(name)).closed, 1);
      assert.deepEqual(await leftovers(node.state), []);
    });
  });

  test(`a second QEMU boots on the share of the first, with ${title}`, { skip }, async () => {
    await using own = await serveShares({ daemon, virtiofs: { ...respawn, virtio_fs_dialect: dialect } });
    const { share, qemuArguments } = await own.client.open({ ...name, memoryMib: 256 });
    for (const text of ['first', 'second']) {
      const script = `set -e; mount -t virtiofs work /mnt; cat /mnt/* 2>/dev/null || :; echo ${text} >/mnt/${text}; umount /mnt`;
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const { code, output } = await runGuest({ script, qemuArguments });
      assert.deepEqual([code, output], [0, text === 'first' ? '' : 'first']);
      const restarts = text === 'first' ? 1 : 2;
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await eventually('another daemon waits', async () => {
        const now = await own.client.get(name);
        return now.share?.restarts === restarts && now.share.state === 'waiting';
      });
    }
    assert.equal(readFileSync(join(share?.sharedDir ?? '', 'second'), 'utf8'), 'second\n');
    await own.client.close(name);
    assert.deepEqual(await leftovers(own.state), []);
  });
}

describe('virtio_fs_on_exit = "respawn"', () => {
  test('is told to those who watch', async () => {
    await using own = await serveShares({ virtiofs: respawn });
    await own.client.open(name);
    const aborting = new AbortController();
    const watch = own.client.watch({}, { signal: aborting.signal })[Symbol.asyncIterator]();
    const [current] = await readUntil(watch, (event) => event.event === 'synced');
    const pid = current?.share?.pid ?? 0;
    process.kill(pid, 'SIGKILL');
    const events = await readUntil(watch, (event) => event.share?.state === 'waiting');
    aborting.abort();
    assert.deepEqual(
      events.map((event) => [summary(event), event.share?.pid === pid, event.share?.restarts]),
      [
        ['changed work starting', true, 0],
        ['changed work starting', false, 1],
        ['changed work waiting', false, 1],
      ],
    );
    await own.client.close(name);
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('goes on with the next host where one was killed while a daemon had to wait for its turn', async () => {
    await using node = await openNode({ daemon: fixture('dies-waiting') });
    await using former = await node.start();
    await former.shares.open(name);
    await eventually(
      'some have ended',
      () => node.record().restarts >= 2 && node.record().daemon?.exit !== undefined,
    );
    await former.end('SIGKILL');
    const { restarts } = node.record();
    await using host = await node.start();
    await eventually('it goes on', () => node.record().restarts > restarts);
    assert.equal((await host.shares.close(name)).closed, 1);
    assert.deepEqual(await leftovers(node.state), []);
  });

  test('goes on with the next host where one was killed while it started another daemon', async () => {
    await using node = await openNode({ daemon: fixture('waits') });
    await using former = await node.start();
    const { share } = await former.shares.open(name);
    await former.end('SIGKILL');
    // As it stands on disk from the record of a daemon until that says its first word.
    process.kill(share?.pid ?? 0, 'SIGKILL');
    truncateSync(join(node.state, 'sandboxes/default/sb/work/daemon.log'));
    await eventually('it has ended', () => isGone(share?.pid ?? 0));
    await using host = await node.start();
    await eventually('there is another one', async () => {
      const { share: now } = await host.shares.get(name);
      return now?.state === 'waiting' && now.restarts === 1;
    });
    assert.equal((await host.shares.close(name)).closed, 1);
    assert.deepEqual(await leftovers(node.state), []);
  });
});

describe('virtio_fs_on_exit = "keep"', () => {
  test('reports the end of a daemon, and its sandbox goes on', async () => {
    await using own = await serveTestHost({ virtiofs: keep });
    const metadata = { 'containerd-namespace-ttrpc': ['default'] };
    await own.host.sandboxes.create({
      namespace: 'default',
      sandboxId: 'sb',
      owner: 'shim',
      contents: { shares: [{ tag: 'work' }] },
    });
    const { pid } = await own.client.startSandbox({ sandboxId: 'sb' }, { metadata });
    const waiting = own.client.waitSandbox({ sandboxId: 'sb' }, { metadata });
    process.kill(pid, 'SIGKILL');
    const sandbox = own.host.sandboxes.get('default', 'sb');
    await sandbox.shares[0]?.closed;
    assert.deepEqual(
      sandbox.snapshots().map(({ state, exit }) => [state, exit?.cause]),
      [['exited', 'crashed']],
    );
    const { state } = await own.client.sandboxStatus({ sandboxId: 'sb' }, { metadata });
    assert.deepEqual([state, sandbox.exit], ['SANDBOX_READY', undefined]);
    assert.equal(own.captured.withMessage('virtiofsd was killed by SIGKILL')[0]?.level, 'error');
    // There is no VM to be started on it.
    await assert.rejects(own.client.startSandbox({ sandboxId: 'sb' }, { metadata }), {
      message: /Share "work" of sandbox "sb" has ended: virtiofsd was killed by SIGKILL$/,
    });
    await own.client.stopSandbox({ sandboxId: 'sb' }, { metadata });
    assert.equal((await waiting).exitStatus, 0);
    await own.client.shutdownSandbox({ sandboxId: 'sb' }, { metadata });
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('lets a VMM leave, and takes further shares', { skip: virtiofsds[0]?.skip }, async () => {
    const [{ path: daemon, dialect } = assert.fail('no virtiofsd')] = virtiofsds;
    await using own = await serveShares({ daemon, virtiofs: { ...keep, virtio_fs_dialect: dialect } });
    const { share } = await own.client.open(name);
    {
      using vmm = await connectVhostUser(share?.socketPath ?? '');
      await vmm.getFeatures();
    }
    await eventually('it has left', async () => (await own.client.get(name)).share?.exit !== undefined);
    assert.equal((await own.client.get(name)).share?.exit?.cause, 'disconnected');
    await own.client.open({ ...name, tag: 'more' });
    assert.equal((await own.client.close({ sandboxId: 'sb' })).closed, 2);
    assert.deepEqual(await leftovers(own.state), []);
  });
});
