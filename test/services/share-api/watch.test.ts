import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Code, createServer } from 'ttrpc-ts';
import { createShareEvents, type ShareEvents } from '../../../src/host/events.ts';
import { Shares } from '../../../src/proto/share/shares_pb.ts';
import { MAX_EVENTS } from '../../../src/services/share-api/event-queue.ts';
import { createShareService } from '../../../src/services/share-api/share-service.ts';
import { captureLog } from '../../harness/captured-log.ts';
import { eventually } from '../../harness/eventually.ts';
import { connectShares, readUntil, serveShares, summary, unhurried } from '../../harness/share-client.ts';
import { openTestHost } from '../../harness/test-host.ts';
import { connectVhostUser } from '../../harness/vhost-user.ts';
import { realVirtiofsds } from '../../harness/virtiofsds.ts';
import { snapshot } from './snapshot.ts';

// Real virtiofsds need root.

const names = { sandboxId: 'sb', tag: 'work' };

for (const { name, dialect, path: daemon, skip } of await realVirtiofsds()) {
  test(`Watch tells of the whole life of a share of ${name}, in order`, { skip }, async () => {
    await using own = await serveShares({ daemon, virtiofs: { virtio_fs_dialect: dialect } });
    const { client, source } = own;
    const watch = client.watch({})[Symbol.asyncIterator]();
    await readUntil(watch, ({ event }) => event === 'synced');
    const { share } = await client.open({ ...names, source });
    using vmm = await connectVhostUser(share?.socketPath ?? '');
    await vmm.getFeatures();
    const born = await readUntil(watch, (event) => event.share?.state === 'connected');
    vmm[Symbol.dispose]();
    const left = await readUntil(watch, (event) => event.share?.exit !== undefined);
    await client.close(names);
    const gone = await readUntil(watch, ({ event }) => event === 'closed');
    const events = [...born, ...left, ...gone];
    assert.deepEqual(unhurried(events.map(summary)), [
      'opened work starting',
      'changed work waiting',
      'changed work connected',
      'changed work disconnected',
      'closed work disconnected',
    ]);
    const pids = new Set(events.map((event) => event.share?.pid));
    assert.deepEqual([...pids], [share?.pid]);
    const times = events.map(({ time }) => Number(time?.seconds) * 1e9 + (time?.nanos ?? 0));
    assert.deepEqual(
      times.toSorted((a, b) => a - b),
      times,
    );
  });
}

describe('Watch', () => {
  test('begins with what is there, and tells of a stop', async () => {
    await using own = await serveShares();
    const { client } = own;
    for (const tag of ['two', 'one']) await client.open({ ...names, tag });
    const watch = client.watch({})[Symbol.asyncIterator]();
    const present = await readUntil(watch, ({ event }) => event === 'synced');
    assert.deepEqual(present.map(summary), ['current one waiting', 'current two waiting', 'synced']);
    await client.close({ ...names, tag: 'one' });
    const events = await readUntil(watch, ({ event }) => event === 'closed');
    assert.deepEqual(events.map(summary), [
      'changed one stopping',
      'changed one stopped',
      'closed one stopped',
    ]);
  });

  test('tells of a failure with its cause', async () => {
    await using own = await serveShares();
    const { share } = await own.client.open(names);
    const watch = own.client.watch({})[Symbol.asyncIterator]();
    await readUntil(watch, ({ event }) => event === 'synced');
    process.kill(share?.pid ?? 0, 'SIGKILL');
    const [event] = await readUntil(watch, () => true);
    const { exit, state } = event?.share ?? {};
    assert.deepEqual([state, exit?.cause, exit?.signal], ['exited', 'failed', 'SIGKILL']);
    assert.equal(exit?.message, 'was killed by SIGKILL');
    assert.ok(exit?.exitedAt);
  });

  test('tells only of the sandbox that is asked for', async () => {
    await using own = await serveShares();
    const { client } = own;
    const watch = client.watch({ namespace: 'b', sandboxId: 'sb' })[Symbol.asyncIterator]();
    await readUntil(watch, ({ event }) => event === 'synced');
    for (const [namespace, sandboxId] of [
      ['a', 'sb'],
      ['b', 'other'],
      ['b', 'sb'],
    ] as const)
      await client.open({ namespace, sandboxId, tag: 'work' });
    const events = await readUntil(watch, ({ share }) => share?.state === 'waiting');
    const told = new Set(events.map(({ share }) => `${share?.namespace} ${share?.sandboxId}`));
    assert.deepEqual([...told], ['b sb']);
  });

  test('leaves no listener where the watcher disconnects, its deadline passes, or the service ends', async () => {
    await using own = await openTestHost();
    const { host } = own;
    const watched = countListeners(host.events);
    const server = createServer().service(Shares, createShareService({ ...host, events: watched.events }));
    await server.listen({ path: `${own.path}/sock` });
    await using closed = await connectShares(`${own.path}/sock`);
    const { client } = closed;
    const late = client.watch({}, { timeoutMs: 500 })[Symbol.asyncIterator]();
    await assert.rejects(
      readUntil(late, () => false),
      { code: Code.DeadlineExceeded },
    );
    await eventually('the late one is gone', () => watched.count() === 0);

    const other = await connectShares(`${own.path}/sock`);
    const gone = other.client.watch({})[Symbol.asyncIterator]();
    await readUntil(gone, ({ event }) => event === 'synced');
    assert.equal(watched.count(), 1);
    await other[Symbol.asyncDispose]();
    await eventually('the one that disconnected is gone', () => watched.count() === 0);

    const last = client.watch({})[Symbol.asyncIterator]();
    await readUntil(last, ({ event }) => event === 'synced');
    await server.close();
    await assert.rejects(last.next(), { code: Code.Unavailable });
    await eventually('the last one is gone', () => watched.count() === 0);
  });

  test('ends with ResourceExhausted for a watcher that is too slow, behind what was kept, and says how many are lost', async () => {
    await using own = await openTestHost();
    const { events, tell } = createShareEvents(captureLog());
    const watched = countListeners(events);
    await using server = createServer().service(
      Shares,
      createShareService({ ...own.host, events: watched.events }),
    );
    await server.listen({ path: `${own.path}/sock` });
    await using caller = await connectShares(`${own.path}/sock`);
    const slow = caller.client.watch({})[Symbol.asyncIterator]();
    await readUntil(slow, ({ event }) => event === 'synced');
    for (let index = 0; index < MAX_EVENTS + 234; index++) tell('changed', () => snapshot(`t${index}`));
    const tags: (string | undefined)[] = [];
    await assert.rejects(
      readUntil(slow, ({ share }) => !tags.push(share?.tag)),
      {
        code: Code.ResourceExhausted,
        message:
          'The watcher reads too slowly: 234 of the events are lost; watch again, which begins with the present state',
      },
    );
    assert.deepEqual(
      tags,
      Array.from({ length: MAX_EVENTS }, (_, index) => `t${index}`),
    );
    await eventually('its listener is gone', () => watched.count() === 0);

    const again = caller.client.watch({})[Symbol.asyncIterator]();
    await readUntil(again, ({ event }) => event === 'synced');
    tell('changed', () => snapshot('next'));
    assert.deepEqual((await readUntil(again, () => true)).map(summary), ['changed next waiting']);
  });
});

function countListeners(events: ShareEvents): { events: ShareEvents; count: () => number } {
  let count = 0;
  const subscribe: ShareEvents['subscribe'] = (listener) => {
    const subscription = events.subscribe(listener);
    count++;
    return {
      [Symbol.dispose]() {
        count--;
        subscription[Symbol.dispose]();
      },
    };
  };
  return { events: { subscribe }, count: () => count };
}
