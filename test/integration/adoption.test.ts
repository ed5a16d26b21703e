import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import type { ShareRecord } from '../../src/share/record.ts';
import { eventually } from '../harness/eventually.ts';
import { fixture } from '../harness/fixtures.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { startServe, type ServeProcess } from '../harness/serve-process.ts';
import { readUntil } from '../harness/share-client.ts';
import { temporaryDirectory, type TemporaryDirectory } from '../harness/temporary-directory.ts';
import { connectVhostUser } from '../harness/vhost-user.ts';
import { realVirtiofsds } from '../harness/virtiofsds.ts';

// Hosts are processes of their own, and are killed. Real virtiofsds need root.

const name = { sandboxId: 'sb', tag: 'work' };

type ServeOptions = Parameters<typeof startServe>[1];

/** A state directory with hosts one after the other. */
interface Node extends AsyncDisposable {
  readonly state: string;
  readonly source: string;
  start(options?: Partial<ServeOptions>): Promise<ServeProcess>;
  /** Changes what is on record of the share `work`. */
  rewrite(change: (record: ShareRecord & { formatVersion: number }) => object): void;
}

async function openNode(options: ServeOptions = { daemon: fixture('waits') }): Promise<Node> {
  const directory: TemporaryDirectory = await temporaryDirectory();
  const state = join(directory.path, 'state');
  const source = join(directory.path, 'source');
  await mkdir(source);
  const file = join(state, 'sandboxes/default/sb/work/share.json');
  return {
    state,
    source,
    start: (more) => startServe(directory.path, { ...options, ...more }),
    rewrite(change) {
      writeFileSync(file, JSON.stringify(change(JSON.parse(readFileSync(file, 'utf8')) as never)));
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

for (const { name: virtiofsd, dialect, path: daemon, skip } of await realVirtiofsds()) {
  describe(`a host that follows one that was killed, with ${virtiofsd}`, { skip }, () => {
    test('has its shares as if it had opened them', async () => {
      await using node = await openNode({ daemon, dialect });
      const { state, source } = node;
      await using former = await node.start();
      const { share } = await former.shares.open({ ...name, source, cache: 'always' });
      assert.ok(share);
      assert.equal(await former.end('SIGKILL'), 'SIGKILL');

      // As if the configuration had been changed: the share keeps what it was started with.
      await using host = await node.start({ table: 'virtio_fs_queue_size = 64\nvirtio_fs_cache = "never"' });
      const { share: adopted } = await host.shares.get(name);
      assert.deepEqual({ ...adopted, adopted: false }, share);
      assert.deepEqual([adopted?.adopted, adopted?.cache], [true, 'always']);
      assert.equal(isGone(share.pid), false);
      await assert.rejects(host.shares.open({ ...name, source }), { code: Code.AlreadyExists });

      const aborting = new AbortController();
      const watch = host.shares.watch({}, { signal: aborting.signal })[Symbol.asyncIterator]();
      {
        using vmm = await connectVhostUser(share.socketPath);
        await vmm.getFeatures();
        await readUntil(watch, (event) => event.share?.state === 'connected');
      }
      const events = await readUntil(watch, (event) => event.share?.exit !== undefined);
      aborting.abort();
      const exit = events.at(-1)?.share?.exit;
      assert.deepEqual([exit?.cause, exit?.exitCode, exit?.signal], ['disconnected', undefined, undefined]);
      assert.equal(existsSync(share.socketPath), false);
      await host.shares.close(name);
      assert.deepEqual(await leftovers(state), []);
    });

    test('has a share whose VMM is there, through every further death, and stops its daemon', async () => {
      await using node = await openNode({ daemon, dialect });
      const { state, source } = node;
      let pid = 0;
      let vmm: Awaited<ReturnType<typeof connectVhostUser>> | undefined;
      for (let death = 0; death < 3; death++) {
        await using host = await node.start();
        if (death === 0) {
          const { share } = await host.shares.open({ ...name, source });
          pid = share?.pid ?? 0;
          vmm = await connectVhostUser(share?.socketPath ?? '');
        }
        await eventually('its VMM is there', async () => {
          const { share } = await host.shares.get(name);
          return share?.state === 'connected' && share.pid === pid;
        });
        await vmm?.getFeatures();
        await host.end('SIGKILL');
      }
      await using host = await node.start();
      assert.equal((await host.shares.close(name)).closed, 1);
      await vmm?.closed;
      assert.equal(isGone(pid), true);
      assert.deepEqual(await leftovers(state), []);
    });
  });
}

describe('a host that follows one that was killed', () => {
  test('says that an end is of an unknown status, with the last lines', async () => {
    await using node = await openNode();
    await using former = await node.start();
    const { share } = await former.shares.open(name);
    await former.end('SIGKILL');
    await using host = await node.start();
    process.kill(share?.pid ?? 0, 'SIGKILL');
    await eventually('it is said', async () => (await host.shares.get(name)).share?.state === 'exited');
    const { share: ended } = await host.shares.get(name);
    assert.match(ended?.exit?.message ?? '', /ended with an unknown status/);
    assert.deepEqual(ended?.lastLines, ['Waiting for vhost-user socket connection...']);
    const line = host.output.find((each) => each.includes('ended with an unknown status'));
    assert.match(line ?? '', /"level":"error"/);
    await host.shares.close(name);
    assert.deepEqual(await leftovers(node.state), []);
  });

  test('tells of a daemon that ended while there was no host', async () => {
    await using node = await openNode();
    await using former = await node.start();
    const { share } = await former.shares.open(name);
    await former.end('SIGKILL');
    process.kill(share?.pid ?? 0, 'SIGKILL');
    await eventually('it is gone', () => isGone(share?.pid ?? 0));
    await using host = await node.start();
    const { share: ended } = await host.shares.get(name);
    assert.deepEqual([ended?.state, ended?.pid], ['exited', share?.pid]);
    assert.equal((await host.shares.close({ sandboxId: 'sb' })).closed, 1);
    assert.deepEqual(await leftovers(node.state), []);
  });

  test('knows how a daemon ended that its former host saw ending', async () => {
    await using node = await openNode();
    await using former = await node.start();
    const { share } = await former.shares.open(name);
    process.kill(share?.pid ?? 0, 'SIGABRT');
    await eventually('it is seen', async () => (await former.shares.get(name)).share?.exit !== undefined);
    await former.end('SIGKILL');
    await using host = await node.start();
    const { share: ended } = await host.shares.get(name);
    assert.equal(ended?.exit?.signal, 'SIGABRT');
    await host.shares.close(name);
    assert.deepEqual(await leftovers(node.state), []);
  });

  test('touches no process that has got the number of a daemon', async () => {
    await using node = await openNode();
    await using former = await node.start();
    const { share } = await former.shares.open(name);
    const pid = share?.pid ?? 0;
    await former.end('SIGKILL');
    try {
      node.rewrite((record) => ({
        ...record,
        daemon: { ...record.daemon, startTime: (record.daemon?.startTime ?? 0) - 1 },
      }));
      await using host = await node.start();
      assert.equal((await host.shares.get(name)).share?.state, 'exited');
      assert.equal((await host.shares.close(name)).closed, 1);
      assert.equal(isGone(pid), false);
      assert.deepEqual(await leftovers(node.state), []);
    } finally {
      process.kill(pid, 'SIGKILL');
    }
  });

  test('adopts nothing of before the last boot, and touches no process of this one', async () => {
    await using node = await openNode();
    await using former = await node.start();
    const { share } = await former.shares.open(name);
    const pid = share?.pid ?? 0;
    await former.end('SIGKILL');
    try {
      node.rewrite((record) => ({ ...record, bootId: 'another' }));
      await using host = await node.start();
      assert.deepEqual((await host.shares.list({})).shares, []);
      assert.equal(isGone(pid), false);
      assert.deepEqual(await leftovers(node.state), []);
    } finally {
      process.kill(pid, 'SIGKILL');
    }
  });

  test('ends what was being closed, and what an older version opened that knew of no adoption', async () => {
    for (const change of [{ isClosing: true }, { outlivesHost: undefined }]) {
      await using node = await openNode();
      await using former = await node.start();
      const { share } = await former.shares.open(name);
      await former.end('SIGKILL');
      node.rewrite((record) => ({ ...record, ...change }));
      await using host = await node.start();
      assert.deepEqual((await host.shares.list({})).shares, []);
      assert.equal(isGone(share?.pid ?? 0), true);
      assert.deepEqual(await leftovers(node.state), []);
    }
  });

  test('leaves a share alone whose plugin is not there, and can close it', async () => {
    await using node = await openNode();
    await using former = await node.start();
    const { share } = await former.shares.open(name);
    await former.end('SIGKILL');
    node.rewrite((record) => ({ ...record, provider: 'gone-fs' }));
    await using host = await node.start();
    const { share: adopted } = await host.shares.get(name);
    assert.deepEqual([adopted?.state, adopted?.sharedFs], ['waiting', 'gone-fs']);
    assert.equal(isGone(share?.pid ?? 0), false);
    assert.ok(host.output.some((line) => line.includes('No plugin adopts shares of \\"gone-fs\\"')));
    await host.shares.close(name);
    assert.equal(isGone(share?.pid ?? 0), true);
    assert.deepEqual(await leftovers(node.state), []);
  });

  test('has a sandbox to which shares can be added, and which goes with its last one', async () => {
    await using node = await openNode();
    await using former = await node.start();
    await former.shares.open(name);
    await former.shares.open({ ...name, tag: 'home' });
    await former.end('SIGTERM');
    await using host = await node.start();
    await host.shares.open({ ...name, tag: 'new' });
    const { shares } = await host.shares.list({});
    assert.deepEqual(
      shares.map(({ tag, adopted }) => [tag, adopted]),
      [
        ['home', true],
        ['new', false],
        ['work', true],
      ],
    );
    assert.equal((await host.shares.close({ sandboxId: 'sb' })).closed, 3);
    assert.deepEqual(await leftovers(node.state), []);
  });

  test("ends a shim's sandboxes, which are dead for containerd", async () => {
    await using node = await openNode({ daemon: fixture('waits'), top: '[[shares]]\ntag = "work"' });
    await using former = await node.start();
    await former.client.createSandbox(
      { sandboxId: 'sb', bundlePath: node.source },
      { metadata: { 'containerd-namespace-ttrpc': ['default'] } },
    );
    const { shares } = await former.shares.list({});
    await former.end('SIGKILL');
    await using host = await node.start();
    assert.deepEqual((await host.shares.list({})).shares, []);
    assert.equal(isGone(shares[0]?.pid ?? 0), true);
    assert.deepEqual(await leftovers(node.state), []);
  });
});
