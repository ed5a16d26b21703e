import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { connect, createClient } from 'ttrpc-ts';
import { readStat } from '../../src/proc/stat.ts';
import { Host, type HandOverRequestSchema, type HandOverResponse } from '../../src/proto/host/host_pb.ts';
import { eventually } from '../harness/eventually.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { pidOnRecord } from '../harness/serve-process.ts';
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
import { manifestOf, writePlugin } from '../harness/test-plugin.ts';

// Hosts are processes of their own.

const name = { sandboxId: 'sb', tag: 'work' };

describe('a take-over that is interrupted', () => {
  test('by the death of the new host before the other one let go leaves that one as it was', async () => {
    await using around = await temporaryDirectory();
    const { daemon, finish } = await slowDaemon(around.path);
    await using node = await openNode({ daemon });
    const { source } = node;
    await using former = await node.start();
    const inFlight = followCall(former.shares.open({ ...name, source }));
    await whenBegun(node.state, 'sb');
    await using host = await node.follow();
    const held = followCall(former.shares.open({ sandboxId: 'held', tag: 'work', source }));
    await host.end('SIGKILL');
    await eventually('it goes on', () => pidOnRecord(node.state) === former.pid);
    finish();
    for (const call of [inFlight, held]) assert.ok(!((await call.settled) instanceof Error));
    await assertServes(former, node);
    await using another = await node.follow();
    assert.equal(await ended(former), 0);
    for (const sandboxId of ['sb', 'held']) await another.shares.close({ sandboxId });
    assert.deepEqual(await leftovers(node.state), []);
  });

  test('by a signal to the new host has it end, and leaves the other one as it was', async () => {
    await using around = await temporaryDirectory();
    const { daemon, finish } = await slowDaemon(around.path);
    await using node = await openNode({ daemon });
    await using former = await node.start();
    const inFlight = followCall(former.shares.open({ ...name, source: node.source }));
    await whenBegun(node.state, 'sb');
    await using host = await node.follow();
    assert.equal(await host.end('SIGTERM'), 1);
    const said = 'shim-virtiofs: Told to end before the other host let go, which goes on';
    await eventually('it says why', () => host.output.includes(said));
    await eventually('it goes on', () => pidOnRecord(node.state) === former.pid);
    finish();
    assert.ok(!((await inFlight.settled) instanceof Error));
    await assertServes(former, node);
    await former.shares.close(name);
    assert.deepEqual(await leftovers(node.state), []);
  });

  test('by the other host, which stands still, leaves that one as it was', async () => {
    await using around = await temporaryDirectory();
    const { daemon, finish } = await slowDaemon(around.path);
    await using node = await openNode({ daemon });
    await using former = await node.start();
    const inFlight = followCall(former.shares.open({ ...name, source: node.source }));
    await whenBegun(node.state, 'sb');
    await using host = await node.follow({ args: ['--take-over-timeout-ms', '8000'] });
    process.kill(former.pid, 'SIGSTOP');
    await eventually('it stands still', () => readStat(former.pid)?.state === 'T');
    assert.equal(await ended(host), 1);
    const said = `shim-virtiofs: Cannot take over: host ${former.pid} does not finish its calls within 8000 ms: `;
    await eventually('it says why', () => host.output.some((line) => line.startsWith(said)));
    process.kill(former.pid, 'SIGCONT');
    await eventually('it goes on', () => pidOnRecord(node.state) === former.pid);
    finish();
    assert.ok(!((await inFlight.settled) instanceof Error));
    await assertServes(former, node);
    await former.shares.close(name);
    assert.deepEqual(await leftovers(node.state), []);
  });

  test('by a new host that gives up while the other one stands still leaves that one as it was', async () => {
    await using node = await openNode();
    await using former = await node.start();
    await former.shares.open({ ...name, source: node.source });
    const going = Promise.withResolvers<void>();
    async function* steps(): AsyncGenerator<MessageInitShape<typeof HandOverRequestSchema>> {
      yield { step: { case: 'ask', value: { pid: process.pid, version: '0', finishMs: 60_000 } } };
      await going.promise;
      yield { step: { case: 'letGo', value: {} } };
    }
    const transport = await connect({ path: join(node.state, 'host.sock') });
    const answers = createClient(Host, transport).handOver(steps())[Symbol.asyncIterator]();
    const said = [await answers.next(), await answers.next()];
    assert.deepEqual(
      said.map(({ value }) => (value as HandOverResponse | undefined)?.step.case),
      ['accepted', 'idle'],
    );
    process.kill(former.pid, 'SIGSTOP');
    await eventually('it stands still', () => readStat(former.pid)?.state === 'T');
    going.resolve();
    await nextTurn();
    await transport.close();
    process.kill(former.pid, 'SIGCONT');
    await eventually('it says so', () => outputOf(former).includes('does not take over; this one goes on'));
    await assertServes(former, node);
    await former.shares.close(name);
    assert.deepEqual(await leftovers(node.state), []);
  });

  test('by the death of the other host makes the new one its heir', async () => {
    await using around = await temporaryDirectory();
    const { daemon, finish } = await slowDaemon(around.path);
    await using node = await openNode({ daemon });
    const { source } = node;
    await using former = await node.start();
    finish();
    const { share } = await former.shares.open({ ...name, source });
    rmSync(join(around.path, 'go'));
    const inFlight = followCall(former.shares.open({ sandboxId: 'late', tag: 'work', source }));
    await whenBegun(node.state, 'late');
    await using host = await node.follow();
    await former.end('SIGKILL');
    assert.ok((await inFlight.settled) instanceof Error);
    finish();
    await assertServes(host, node);
    assert.equal((await host.shares.get(name)).share?.pid, share?.pid);
    for (const sandboxId of ['sb', 'late']) await host.shares.close({ sandboxId });
    assert.deepEqual(await leftovers(node.state), []);
  });

  test('by the death of the new host after the other one let go leaves all to a third one', async () => {
    await using node = await openNode();
    await using former = await node.start();
    const { source } = node;
    const { share } = await former.shares.open({ ...name, source });
    const deadly = await former.shares.open({ sandboxId: 'deadly', tag: 'work', source });
    const file = join(node.state, 'sandboxes/default/deadly/work/share.json');
    const record = JSON.parse(readFileSync(file, 'utf8')) as object;
    writeFileSync(file, JSON.stringify({ ...record, provider: 'fs-deadly' }));
    const plugins = join(node.path, 'plugins');
    await writePlugin(plugins, {
      id: 'deadly',
      manifest: `${manifestOf('deadly')}"sandbox.adopt" = "adopt"`,
      code: `export const create = () => ({ open() {}, close() {}, adopt: () => process.kill(process.pid, 'SIGKILL') });`,
    });
    const dead = node.follow({ pluginDirs: [plugins] });
    // Whether it was found before it died is nobody's business.
    const died = dead.then(ended, () => 'SIGKILL');
    assert.deepEqual([await died, await ended(former)], ['SIGKILL', 0]);

    await using host = await node.follow();
    assert.equal((await host.shares.get(name)).share?.pid, share?.pid);
    await assertServes(host, node);
    for (const sandboxId of ['sb', 'deadly']) await host.shares.close({ sandboxId });
    assert.equal(isGone(deadly.share?.pid ?? 0), true);
    assert.deepEqual(await leftovers(node.state), []);
  });
});
