import assert from 'node:assert/strict';
import { toBinary, create } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { ShutdownSandboxRequestSchema } from '../../../src/proto/containerd/sandbox_pb.ts';
import { writeBundle } from '../../harness/bundle.ts';
import { eventually } from '../../harness/eventually.ts';
import { readRecords } from '../../harness/containerd/shim-containerd.ts';
import { executable } from '../../harness/fixtures.ts';
import { isGone, leftovers } from '../../harness/leftovers.ts';
import { memorySpans } from '../../harness/memory-spans.ts';
import { sandboxRequest } from '../../harness/sandbox-request.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { serveTestHost, virtiofsTable, type ServedHost } from '../../harness/test-host.ts';
import { ENDLESS_PROVIDER, writePlugin } from '../../harness/test-plugin.ts';

const SLOW = join(import.meta.dirname, '../../harness/containerd/fixtures/plugins');

/** A host with two sandboxes whose daemons are never ready. A creation from `endless` is never done. */
async function busyHost(): Promise<ServedHost & { endless: string }> {
  await using stack = new AsyncDisposableStack();
  const plugins = stack.use(await temporaryDirectory());
  await writePlugin(plugins.path, { id: 'endless', code: ENDLESS_PROVIDER });
  const config = { plugin_dirs: [plugins.path] };
  const host = stack.use(await serveTestHost({ daemon: 'never-ready', config }));
  const mount = { type: 'virtiofs', destination: 'work' };
  const bundlePath = await writeBundle(host.path, [mount]);
  const endless = await writeBundle(host.path, [
    mount,
    { ...mount, destination: 'endless', options: ['shared_fs=fs-endless'] },
  ]);
  for (const sandboxId of ['one', 'two']) await host.client.createSandbox({ sandboxId, bundlePath });
  const own = stack.move();
  return { ...host, endless, [Symbol.asyncDispose]: () => own.disposeAsync() };
}

describe('Sandbox service', () => {
  test('leaves nothing of a creation whose deadline passes', async () => {
    await using spans = await memorySpans();
    await using own = await busyHost();
    const before = await leftovers(own.state);
    const { client, endless: bundlePath } = own;
    await assert.rejects(client.createSandbox({ sandboxId: 'late', bundlePath }, { timeoutMs: 30 }), {
      code: Code.DeadlineExceeded,
    });
    const name = 'containerd.runtime.sandbox.v1.Sandbox/CreateSandbox';
    await eventually('the host has done with it', () => spans.named(name).length === 3);
    assert.equal(own.host.sandboxes.size, 2);
    assert.deepEqual(await leftovers(own.state), before);
    await assert.rejects(client.pingSandbox({ sandboxId: 'late' }), { code: Code.NotFound });
  });

  test('leaves nothing of a creation whose connection is lost', async () => {
    await using own = await busyHost();
    const before = await leftovers(own.state);
    const other = await own.connect();
    const lost = assert.rejects(other.client.createSandbox({ sandboxId: 'lost', bundlePath: own.endless }), {
      code: Code.Unavailable,
    });
    await eventually('the host creates it', () => own.host.sandboxes.size === 3);
    await other[Symbol.asyncDispose]();
    await lost;
    await eventually('the host forgets it', () => own.host.sandboxes.size === 2);
    assert.deepEqual(await leftovers(own.state), before);
  });

  test('leaves nothing of a creation that is cut off in the middle of a start', async () => {
    await using own = await serveTestHost();
    const programs = await writeBundle(own.path, []);
    // Says when it is asked for its version, and takes its time.
    const daemon = await executable(
      join(programs, 'virtiofsd'),
      `#!/bin/sh\n: >"$0.asked"\nwhile [ ! -e "$0.go" ]; do sleep 0.01; done\n: >"$0.done"\necho virtiofsd 1.14.0\n`,
    );
    await using slow = await serveTestHost({ daemon, virtiofs: { virtio_fs_dialect: 'auto' } });
    const bundlePath = await writeBundle(slow.path, [{ type: 'virtiofs', destination: 'work' }]);
    const other = await slow.connect();
    const lost = assert.rejects(other.client.createSandbox({ sandboxId: 'lost', bundlePath }));
    await eventually('the program was asked', async () =>
      (await readdir(programs)).includes('virtiofsd.asked'),
    );
    await other[Symbol.asyncDispose]();
    await lost;
    await eventually('the host forgets it', () => slow.host.sandboxes.size === 0);
    assert.deepEqual(await leftovers(slow.state), []);
    await executable(`${daemon}.go`, '');
    await eventually('the program has seen it', async () =>
      (await readdir(programs)).includes('virtiofsd.done'),
    );
  });

  test('waits with a creation until a provider that takes no notice is done with an abandoned one of the same id', async () => {
    await using marks = await temporaryDirectory();
    const table = { marks: marks.path, stubborn: true, virtiofs: virtiofsTable('waits') };
    await using own = await serveTestHost({
      config: { plugin_dirs: [SLOW], plugins: { 'io.containerd.fsshare.v1.slow': table } },
    });
    const mount = { type: 'virtiofs', destination: 'work', options: ['shared_fs=virtio-fs-slow'] };
    const request = { sandboxId: 'sb', bundlePath: await writeBundle(own.path, [mount]) };
    const mark = (name: string): string => join(marks.path, `sb.${name}`);
    const other = await own.connect();
    const lost = assert.rejects(other.client.createSandbox(request), { code: Code.Unavailable });
    await eventually('the provider is asked', () => existsSync(mark('asked')));
    await other[Symbol.asyncDispose]();
    await lost;
    await eventually('the provider could know', () => existsSync(mark('canceled')));
    const creating = own.client.createSandbox(request);
    await own.client.pingSandbox({ sandboxId: 'sb' }).catch(() => {});
    assert.equal(existsSync(mark('opened')), false);
    await writeFile(mark('go'), '');
    await creating;
    assert.equal((await own.client.sandboxStatus({ sandboxId: 'sb' })).state, 'SANDBOX_READY');
    assert.deepEqual((await readRecords(own.state)).length, 1);
    await own.client.shutdownSandbox({ sandboxId: 'sb' });
  });

  test('keeps a sandbox whose start is given up by its caller', async () => {
    await using own = await busyHost();
    const { client } = own;
    await assert.rejects(client.startSandbox({ sandboxId: 'one' }, { timeoutMs: 30 }), {
      code: Code.DeadlineExceeded,
    });
    await client.pingSandbox({ sandboxId: 'one' });
    const [share] = own.host.sandboxes.get('default', 'one').shares;
    assert.equal(isGone(share?.pid ?? 0), false);
  });

  test('heeds a shutdown whose deadline has passed already, as Go sends them when it cleans up', async () => {
    await using own = await busyHost();
    const [share] = own.host.sandboxes.get('default', 'one').shares;
    const { sandboxId } = own.host.sandboxes.get('default', 'one');
    await sendExpired(own.address, { sandboxId });
    await eventually('the sandbox is gone', () => own.host.sandboxes.size === 1);
    assert.equal(isGone(share?.pid ?? 0), true);
  });

  test('goes on with a stop whose deadline passes', async () => {
    const grace = { virtio_fs_stop_timeout_ms: 500 };
    await using own = await serveTestHost({ daemon: 'ignores-sigterm', virtiofs: grace });
    const { sandboxes } = own.host;
    const sandbox = await sandboxes.create(sandboxRequest('a', { tag: 'x' }));
    const [share] = sandbox.shares;
    await share?.ready;
    await assert.rejects(own.client.stopSandbox({ sandboxId: 'a' }, { timeoutMs: 20 }), {
      code: Code.DeadlineExceeded,
    });
    assert.equal((await sandbox.ended).exitStatus, 0);
    assert.equal(isGone(share?.pid ?? 0), true);
  });

  test('ends a wait when its caller goes, and no other', async () => {
    await using own = await busyHost();
    const other = await own.connect();
    const gone = assert.rejects(other.client.waitSandbox({ sandboxId: 'one' }));
    const stays = own.client.waitSandbox({ sandboxId: 'one' });
    await own.client.pingSandbox({ sandboxId: 'one' });
    await other[Symbol.asyncDispose]();
    await gone;
    await own.client.stopSandbox({ sandboxId: 'one' });
    assert.equal((await stays).exitStatus, 0);
  });
});

/** Calls ShutdownSandbox with a negative timeout, which our own client never sends; the frame is ttrpc's PROTOCOL.md. */
async function sendExpired(address: string, { sandboxId }: { sandboxId: string }): Promise<void> {
  const payload = toBinary(ShutdownSandboxRequestSchema, create(ShutdownSandboxRequestSchema, { sandboxId }));
  const request = new BinaryWriter()
    .tag(1, WireType.LengthDelimited)
    .string('containerd.runtime.sandbox.v1.Sandbox')
    .tag(2, WireType.LengthDelimited)
    .string('ShutdownSandbox')
    .tag(3, WireType.LengthDelimited)
    .bytes(payload)
    .tag(4, WireType.Varint)
    .int64(-1_000_000)
    .finish();
  const header = Buffer.alloc(10);
  header.writeUInt32BE(request.length, 0);
  header.writeUInt32BE(1, 4);
  header.writeUInt8(1, 8);
  const socket = connect({ path: address });
  socket.end(Buffer.concat([header, request]));
  await once(socket.resume(), 'close');
}
