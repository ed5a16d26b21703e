import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { Code, StatusError } from 'ttrpc-ts';
import { HANDED_OVER } from '../../src/errors.ts';
import { Controller } from '../../src/proto/containerd/sandbox-controller_pb.ts';
import { connectGrpc } from '../harness/containerd/grpc.ts';
import { eventually } from '../harness/eventually.ts';
import { fixture } from '../harness/fixtures.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { connectShares } from '../harness/share-client.ts';
import { SHIM_VIRTIOFS } from '../harness/shim-virtiofs.ts';
import {
  assertServes,
  ended,
  followCall,
  openNode,
  outputOf,
  slowDaemon,
  whenBegun,
} from '../harness/take-over.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { connectVhostUser } from '../harness/vhost-user.ts';
import { realVirtiofsds } from '../harness/virtiofsds.ts';

// Hosts are processes of their own. Real virtiofsds need root.

const name = { sandboxId: 'sb', tag: 'work' };

for (const { name: virtiofsd, dialect, path: daemon, skip } of await realVirtiofsds()) {
  describe(`a host that takes over, with ${virtiofsd}`, { skip }, () => {
    test('has the shares of the other one, which ends with 0, under a VMM that notices nothing', async () => {
      await using node = await openNode({ daemon, dialect });
      const { state, source } = node;
      await using former = await node.start();
      const { share } = await former.shares.open({ ...name, source });
      const idle = await former.shares.open({ sandboxId: 'idle', tag: 'work', source });
      using vmm = await connectVhostUser(share?.socketPath ?? '');
      const features = await vmm.getFeatures();
      await eventually(
        'it is seen',
        async () => (await former.shares.get(name)).share?.state === 'connected',
      );

      await using host = await node.follow();
      assert.equal(await ended(former), 0);
      assert.match(outputOf(former), /"reason":"handed over","sandboxes":2,.*"msg":"Ending; shares stay"/);
      await assertServes(host, node);
      const { shares } = await host.shares.list({});
      assert.deepEqual(
        shares.map(({ sandboxId, pid, state: current, adopted }) => [sandboxId, pid, current, adopted]),
        [
          ['idle', idle.share?.pid, 'waiting', true],
          ['sb', share?.pid, 'connected', true],
        ],
      );
      assert.equal(await vmm.getFeatures(), features);
      for (const sandboxId of ['idle', 'sb']) await host.shares.close({ sandboxId });
      assert.deepEqual([isGone(share?.pid ?? 0), isGone(idle.share?.pid ?? 0)], [true, true]);
      assert.deepEqual(await leftovers(state), []);
    });
  });
}

describe('a host that takes over', () => {
  test('has calls finished that are in flight, has others call again, and serves those who have come to it', async () => {
    await using around = await temporaryDirectory();
    const { daemon, finish } = await slowDaemon(around.path);
    await using node = await openNode({ daemon });
    const { source } = node;
    await using former = await node.start();
    const inFlight = followCall(former.shares.open({ ...name, source }));
    await whenBegun(node.state, 'sb');

    await using host = await node.follow();
    const late = followCall(former.shares.open({ sandboxId: 'late', tag: 'work', source }));
    const atOther = followCall(host.shares.open({ sandboxId: 'new', tag: 'work', source }));
    assert.deepEqual([inFlight.result(), late.result(), atOther.result()], [undefined, undefined, undefined]);
    finish();
    const first = await inFlight.settled;
    assert.ok(!(first instanceof Error));
    const refused = await late.settled;
    assert.ok(StatusError.is(refused));
    assert.deepEqual([refused.code, refused.message], [Code.Unavailable, HANDED_OVER]);
    const made = await atOther.settled;
    assert.ok(!(made instanceof Error));
    assert.equal(await ended(former), 0);

    const { shares } = await host.shares.list({});
    assert.deepEqual(
      shares.map(({ sandboxId, pid, adopted }) => [sandboxId, pid, adopted]),
      [
        ['new', made.share?.pid, false],
        ['sb', first.share?.pid, true],
      ],
    );
    for (const { sandboxId } of shares) await host.shares.close({ sandboxId });
    assert.deepEqual(await leftovers(node.state), []);
  });

  test('has calls cancelled that are not finished within half of its time', async () => {
    await using node = await openNode({ daemon: fixture('never-ready') });
    const { source } = node;
    await using former = await node.start();
    const inFlight = followCall(former.shares.open({ ...name, source }));
    await whenBegun(node.state, 'sb');
    await using host = await node.follow({ args: ['--take-over-timeout-ms', '10000'] });
    assert.equal(await ended(former), 0);
    const canceled = await inFlight.settled;
    assert.ok(StatusError.is(canceled));
    assert.equal(canceled.code, Code.Unavailable);
    assert.deepEqual((await host.shares.list({})).shares, []);
    assert.deepEqual(await leftovers(node.state), []);
  });

  test('just starts where there is no other one, and follows one that was killed', async () => {
    await using node = await openNode();
    await using former = await node.follow();
    const { share } = await former.shares.open({ ...name, source: node.source });
    await former.end('SIGKILL');
    await using host = await node.follow();
    assert.equal((await host.shares.get(name)).share?.pid, share?.pid);
    assert.doesNotMatch(outputOf(former) + outputOf(host), /take over|Taking over from/);
    await host.shares.close(name);
    assert.deepEqual(await leftovers(node.state), []);
  });

  test('serves at an address of its own, and takes the place of the former one', async () => {
    await using node = await openNode();
    await using former = await node.start();
    const { share } = await former.shares.open({ ...name, source: node.source });
    const address = join(node.path, 'own', 'other.sock');
    const other = join(node.path, 'other.toml');
    await writeFile(
      other,
      (await readFile(node.config, 'utf8')).replace('\n\n', `\n[ttrpc]\naddress = "${address}"\n\n`),
    );
    const host = execa(
      process.execPath,
      ['--no-warnings', SHIM_VIRTIOFS, 'serve', '--take-over', '-c', other],
      {
        reject: false,
      },
    );
    try {
      assert.equal(await ended(former), 0);
      await using client = await connectShares(address);
      assert.equal((await client.client.get(name)).share?.pid, share?.pid);
      assert.equal(readFileSync(join(node.state, 'host.address'), 'utf8'), `${address}\n`);
      assert.equal(existsSync(join(node.state, 'host.sock')), false);
      await client.client.close(name);
    } finally {
      host.kill('SIGTERM');
    }
    assert.equal((await host).exitCode, 0);
    assert.deepEqual(await leftovers(node.state), []);
  });

  test('serves the controller that its configuration turns on, in a new directory', async () => {
    await using node = await openNode();
    await using former = await node.start();
    const { share } = await former.shares.open({ ...name, source: node.source });
    const address = join(node.path, 'new', 'grpc.sock');
    await using host = await node.follow({ top: `[grpc]\naddress = "${address}"` });
    assert.equal(await ended(former), 0);
    assert.equal(statSync(join(node.path, 'new')).mode & 0o777, 0o700);
    using grpc = connectGrpc(address);
    const { state } = await grpc.unary(Controller.method.status, { sandboxId: 'sb' });
    assert.equal(state, 'SANDBOX_READY');
    assert.equal((await host.shares.get(name)).share?.pid, share?.pid);
    await host.shares.close(name);
    assert.equal(await host.end('SIGTERM'), 0);
    assert.equal(existsSync(address), false);
    assert.deepEqual(await leftovers(node.state), []);
  });

  test('makes a directory at once where the other one has removed what was empty', async () => {
    await using node = await openNode();
    const options = { scratchDir: join(node.path, 'scratch') };
    await using former = await node.start(options);
    await using host = await node.follow(options);
    const { share } = await host.shares.open(name);
    assert.ok(share?.sharedDir.startsWith(options.scratchDir));
    assert.equal(await ended(former), 0);
    await host.shares.close(name);
    assert.deepEqual(await leftovers(node.state), []);
  });

  test('is followed in its turn', async () => {
    await using node = await openNode();
    await using first = await node.start();
    const { share } = await first.shares.open({ ...name, source: node.source });
    await using stack = new AsyncDisposableStack();
    let former = first;
    for (let turn = 0; turn < 3; turn++) {
      const host = stack.use(await node.follow());
      assert.equal(await ended(former), 0);
      assert.equal((await host.shares.get(name)).share?.pid, share?.pid);
      former = host;
    }
    await former.shares.close(name);
    assert.deepEqual(await leftovers(node.state), []);
  });
});
