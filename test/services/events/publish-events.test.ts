import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { anyPack, EmptySchema } from '@bufbuild/protobuf/wkt';
import { create } from '@bufbuild/protobuf';
import { PodSandboxConfigSchema } from '../../../src/proto/cri/pod-sandbox-config_pb.ts';
import { writeBundle } from '../../harness/bundle.ts';
import { serveFakeEvents, type FakeEvents } from '../../harness/containerd/fake-events.ts';
import { eventually } from '../../harness/eventually.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { serveTestHost, type ServedHost } from '../../harness/test-host.ts';

/** A host that is served, and publishes to a containerd of the test's own. */
async function publishingHost(): Promise<ServedHost & { containerd: FakeEvents }> {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory());
  const path = join(directory.path, 'c.sock');
  const containerd = stack.use(await serveFakeEvents(path));
  const served = stack.use(await serveTestHost({ config: { containerd: { ttrpc_address: path } } }));
  const own = stack.move();
  return { ...served, containerd, [Symbol.asyncDispose]: () => own.disposeAsync() };
}

const CRI = anyPack(
  PodSandboxConfigSchema,
  create(PodSandboxConfigSchema, { metadata: { name: 'pod', uid: 'uid', namespace: 'test' } }),
);
const CTR = anyPack(EmptySchema, create(EmptySchema));

/** Waits for an event, and returns all until then, each as its topic and what says most of it. */
async function eventsUntil({ containerd }: { containerd: FakeEvents }, last: string): Promise<string[]> {
  const told = (): string[] =>
    containerd.taken.map(({ topic, message }) => {
      const { cause } = (message['info'] ?? {}) as Record<string, string>;
      return [topic, message['sandbox_id'], cause ?? message['exit_status'] ?? ''].join(' ').trim();
    });
  await eventually(last, () => told().includes(last));
  return told();
}

/** Makes and starts a sandbox of one share as containerd does. */
async function startSandbox(own: ServedHost, sandboxId: string, options: typeof CRI): Promise<void> {
  const bundlePath = await writeBundle(own.path, [
    { type: 'virtiofs', destination: 'work', source: own.source },
  ]);
  await own.client.createSandbox({ sandboxId, bundlePath, options });
  await own.client.startSandbox({ sandboxId });
}

describe('publishEvents()', () => {
  test('takes options whose type has no name for those of no pod', async () => {
    await using own = await publishingHost();
    await startSandbox(own, 'sb', { ...CTR, typeUrl: 'example.com/' });
    await own.client.shutdownSandbox({ sandboxId: 'sb' });
    const events = await eventsUntil(own, '/sandboxes/exit sb');
    assert.equal(events.includes('/sandboxes/create sb'), false);
  });

  test('tells the life of a share, and of the sandbox that was made for it', async () => {
    await using own = await publishingHost();
    const share = await own.host.openShare({ sandboxId: 'sb', tag: 'work', source: own.source });
    await share.ready;
    const { pid, socketPath } = share;
    await share[Symbol.asyncDispose]();
    assert.deepEqual(await eventsUntil(own, '/sandboxes/exit sb'), [
      '/sandboxes/create sb',
      '/shares/open sb',
      '/shares/ready sb',
      '/shares/exit sb stopped',
      '/shares/close sb stopped',
      '/sandboxes/exit sb',
    ]);
    const ready = own.containerd.taken.find(({ topic }) => topic === '/shares/ready');
    assert.deepEqual(ready?.namespace, 'default');
    const { created_at: createdAt, ...message } = ready.message;
    assert.equal(typeof createdAt, 'string');
    const info = {
      tag: 'work',
      owner: 'library',
      shared_fs: 'virtio-fs',
      socket_path: socketPath,
      shared_dir: own.source,
    };
    assert.deepEqual(message, { sandbox_id: 'sb', pid, state: 'waiting', info });
  });

  test('tells that a daemon was killed, and that its sandbox ended so', async () => {
    await using own = await publishingHost();
    await using share = await own.host.openShare({ sandboxId: 'sb', tag: 'work', source: own.source });
    await share.ready;
    process.kill(share.pid, 'SIGKILL');
    const events = await eventsUntil(own, '/sandboxes/exit sb 137');
    assert.deepEqual(events.slice(-2), ['/shares/exit sb crashed', '/sandboxes/exit sb 137']);
    const exit = own.containerd.taken.find(({ topic }) => topic === '/shares/exit');
    const { signal, message } = (exit?.message['info'] ?? {}) as Record<string, string>;
    assert.deepEqual([signal, message], ['SIGKILL', 'virtiofsd was killed by SIGKILL']);
  });

  test('leaves to containerd what it publishes for its clients, but an end that nobody awaits', async () => {
    await using own = await publishingHost();
    await startSandbox(own, 'awaited', CTR);
    const waiting = own.client.waitSandbox({ sandboxId: 'awaited' });
    // Answered behind it, on the same connection.
    await own.client.pingSandbox({ sandboxId: 'awaited' });
    await own.client.shutdownSandbox({ sandboxId: 'awaited' });
    await waiting;
    await startSandbox(own, 'alone', CTR);
    await own.client.stopSandbox({ sandboxId: 'alone' });
    const events = await eventsUntil(own, '/sandboxes/exit alone');
    assert.deepEqual(
      events.filter((event) => event.startsWith('/sandboxes/')),
      ['/sandboxes/exit alone'],
    );
  });

  test('counts a wait no more whose connection has ended', async () => {
    await using own = await publishingHost();
    await startSandbox(own, 'sb', CTR);
    {
      await using gone = await own.connect();
      gone.client.waitSandbox({ sandboxId: 'sb' }).catch(() => {});
      await gone.client.pingSandbox({ sandboxId: 'sb' });
    }
    // The host hears of it by itself.
    await own.client.pingSandbox({ sandboxId: 'sb' });
    await own.client.stopSandbox({ sandboxId: 'sb' });
    await eventsUntil(own, '/sandboxes/exit sb');
  });

  test('tells all of a sandbox of CRI, of which containerd publishes nothing', async () => {
    await using own = await publishingHost();
    await startSandbox(own, 'pod', CRI);
    const waiting = own.client.waitSandbox({ sandboxId: 'pod' });
    await own.client.shutdownSandbox({ sandboxId: 'pod' });
    await waiting;
    const events = await eventsUntil(own, '/sandboxes/exit pod');
    assert.deepEqual(
      events.filter((event) => event.startsWith('/sandboxes/')),
      ['/sandboxes/create pod', '/sandboxes/start pod', '/sandboxes/exit pod'],
    );
  });

  test('goes where the last start was told, as it has saved it in the bundle', async () => {
    await using own = await serveTestHost();
    const waiting = await own.host.openShare({ sandboxId: 'zero', tag: 'work' });
    await waiting.ready;
    // Nothing is published of what is made here itself: it has no share.
    for (const [sandboxId, last] of [
      ['one', '/shares/ready zero'],
      ['two', '/shares/exit zero stopped'],
    ] as const) {
      // oxlint-disable no-await-in-loop -- one after the other
      const address = join(own.path, `${sandboxId}.sock`);
      await using containerd = await serveFakeEvents(address);
      const bundlePath = await writeBundle(own.path, []);
      await writeFile(join(bundlePath, 'shim-start.stdin'), '');
      await writeFile(
        join(bundlePath, 'shim-start.env'),
        `CONFIG=\nSTATE=${own.state}\nTTRPC_ADDRESS=${address}\nGRPC_ADDRESS=/run/c.sock\n`,
      );
      await own.client.createSandbox({ sandboxId, bundlePath, options: CTR });
      if (sandboxId === 'two') await waiting[Symbol.asyncDispose]();
      await eventsUntil({ containerd }, last);
      // oxlint-enable no-await-in-loop
    }
  });

  test('tells of shares that were opened in vain, and not of a sandbox that never was', async () => {
    await using own = await publishingHost();
    const bundlePath = await writeBundle(own.path, [
      { type: 'virtiofs', destination: 'good', source: own.source },
      { type: 'virtiofs', destination: 'bad', source: '/nowhere/at/all' },
    ]);
    await assert.rejects(own.client.createSandbox({ sandboxId: 'sb', bundlePath, options: CRI }));
    await own.host.openShare({ sandboxId: 'next', tag: 'work' });
    const events = await eventsUntil(own, '/shares/open next');
    assert.deepEqual(
      events.filter((event) => event.startsWith('/sandboxes/')),
      ['/sandboxes/create next'],
    );
  });
});
