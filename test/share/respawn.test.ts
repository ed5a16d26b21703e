import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Code } from 'ttrpc-ts';
import type { Daemons } from '../../src/daemon/pool/pool.ts';
import type { DaemonTraits } from '../../src/daemon/spec.ts';
import type { DaemonError } from '../../src/errors.ts';
import type { PluginContext, Share } from '../../src/share/contract.ts';
import { MAX_IN_A_ROW, type ExitPolicy } from '../../src/share/exit-policy.ts';
import { openShare } from '../../src/share/open-share.ts';
import { readRecord } from '../../src/share/record.ts';
import { eventually } from '../harness/eventually.ts';
import { executable, fixture, nodeFixture } from '../harness/fixtures.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { memorySpans } from '../harness/memory-spans.ts';
import { pluginContext, shareRequest, type TestContext as Own } from '../harness/plugin-context.ts';
import { connectVhostUser } from '../harness/vhost-user.ts';

const open = (
  context: PluginContext,
  program: string,
  { onExit = 'respawn', ...traits }: Partial<DaemonTraits> & { onExit?: ExitPolicy } = {},
): Promise<Share> =>
  openShare(context, shareRequest(), {
    queueSize: 128,
    onExit,
    daemon: () => ({
      name: 'virtiofsd',
      socket: 'handed-over',
      ready: { line: /Waiting for/ },
      connectedLine: /Client connected/,
      startTimeoutMs: 600_000,
      stopTimeoutMs: 600_000,
      program: () => ({ command: program, args: ['--of=it'], version: '1.2.3' }),
      ...traits,
    }),
  });

const recordOf = ({ context }: Own): ReturnType<typeof readRecord> =>
  readRecord(context.stateDir.share('default', 'a', 'work'));

/** The delays that the log has told of. */
const delaysOf = ({ captured }: Own): unknown[] =>
  captured.lines.flatMap((line) => ('delayMs' in line ? [line['delayMs']] : []));

/** Lets the next daemon's delay pass. */
async function passDelay(t: TestContext, own: Own, number: number): Promise<void> {
  await eventually('a respawn is announced', () => delaysOf(own).length === number);
  t.mock.timers.tick(10_000);
}

describe('a share whose policy is to respawn', () => {
  test('has another daemon on the same socket in the place of one that no VMM had reached', async () => {
    await using spans = await memorySpans();
    await using own = await pluginContext();
    await using share = await open(own.context, fixture('waits'));
    await share.ready;
    const states: string[] = [];
    using _ = share.onChange?.(() => void states.push(`${share.status().state} ${share.pid}`));
    const { pid, socketPath, sharedDir } = share;
    process.kill(pid, 'SIGKILL');
    await eventually('there is another one', () => share.pid !== pid);
    await share.ready;
    assert.deepEqual(states, [
      `exited ${pid}`,
      `starting ${pid}`,
      `starting ${share.pid}`,
      `waiting ${share.pid}`,
    ]);
    assert.deepEqual(share.status(), {
      tag: 'work',
      state: 'waiting',
      pid: share.pid,
      socketPath,
      sharedDir,
      queueSize: 128,
      adopted: false,
      restarts: 1,
      lastLines: ['Waiting for vhost-user socket connection...'],
    });
    assert.equal(existsSync(socketPath), true);
    const record = recordOf(own);
    assert.deepEqual(
      [
        record?.restarts,
        record?.daemon?.pid,
        record?.daemon?.args,
        record?.daemon?.version,
        record?.daemon?.exit,
      ],
      [1, share.pid, ['--of=it'], '1.2.3', undefined],
    );
    const [first, second] = spans.named('virtiofsd.start');
    const respawn = spans.one('virtiofsd.respawn');
    assert.deepEqual(
      respawn.links.map(({ context }) => context.spanId),
      [first?.spanContext().spanId],
    );
    assert.equal(second?.parentSpanContext?.spanId, respawn.spanContext().spanId);
    await share[Symbol.asyncDispose]();
    assert.equal((await share.closed).cause, 'stopped');
    assert.equal(isGone(share.pid), true);
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('waits longer from one end to the next, and gives up', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    await using own = await pluginContext();
    await using share = await open(own.context, fixture('dies-waiting'));
    for (let number = 1; number <= MAX_IN_A_ROW; number++) await passDelay(t, own, number);
    const exit = await share.closed;
    assert.deepEqual(delaysOf(own), [100, 200, 400, 800, 1600, 3200, 6400, 10_000]);
    assert.deepEqual([exit.cause, exit.signal], ['crashed', 'SIGSEGV']);
    assert.equal(exit.message, 'virtiofsd was killed by SIGSEGV; given up after 8 respawns in a row');
    await assert.rejects(share.ready, (error: DaemonError) => error.exit.cause === 'crashed');
    assert.deepEqual([share.status().state, share.status().exit?.cause], ['exited', 'crashed']);
    assert.equal(share.status().restarts, MAX_IN_A_ROW);
    // The next host does not begin again.
    assert.deepEqual([recordOf(own)?.onExit, recordOf(own)?.daemon?.pid], ['stop-sandbox', share.pid]);
    await share[Symbol.asyncDispose]();
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('tries again where a daemon cannot be started, and gives up with the reason', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    await using own = await pluginContext();
    const program = await executable(
      join(own.directory.path, 'daemon'),
      '#!/bin/sh\necho Waiting for it; exec sleep 600\n',
    );
    await using share = await open(own.context, program);
    await share.ready;
    rmSync(program);
    process.kill(share.pid, 'SIGKILL');
    await passDelay(t, own, 1);
    await passDelay(t, own, 2);
    await executable(program, '#!/bin/sh\necho Waiting for it; exec sleep 600\n');
    await passDelay(t, own, 3);
    await eventually('it is there again', () => share.status().restarts === 1);
    await share.ready;
    rmSync(program);
    process.kill(share.pid, 'SIGKILL');
    for (let number = 4; number <= MAX_IN_A_ROW; number++) await passDelay(t, own, number);
    const exit = await share.closed;
    assert.equal(exit.cause, 'start-failed');
    assert.match(exit.message, /cannot be respawned: .*daemon".*; given up after 8 respawns in a row$/);
    await share[Symbol.asyncDispose]();
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('is closed at once while the next daemon has to wait, and has none then', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    await using own = await pluginContext();
    const share = await open(own.context, fixture('dies-waiting'));
    await passDelay(t, own, 1);
    await eventually('the second has ended', () => delaysOf(own).length === 2);
    assert.deepEqual([share.status().state, share.status().exit], ['starting', undefined]);
    const { ready } = share;
    await share[Symbol.asyncDispose]();
    const exit = await share.closed;
    assert.deepEqual(
      [exit.cause, exit.message],
      ['stopped', 'virtiofsd was killed by SIGSEGV; it was stopped before the next one'],
    );
    await assert.rejects(ready, { name: 'DaemonError', code: Code.FailedPrecondition });
    t.mock.timers.tick(10_000);
    assert.equal(isGone(share.pid), true);
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('leaves the next daemon to the next host when its own one ends', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    await using own = await pluginContext();
    await using share = await open(own.context, fixture('dies-waiting'));
    await eventually('it has ended', () => delaysOf(own).length === 1);
    await (own.context.daemons as Daemons)[Symbol.asyncDispose]();
    t.mock.timers.tick(10_000);
    // Nothing tells that nothing comes.
    await delay(200);
    assert.deepEqual([share.status().state, share.status().restarts], ['starting', 0]);
    assert.deepEqual([recordOf(own)?.daemon?.exit?.cause, recordOf(own)?.isClosing], ['crashed', undefined]);
  });

  test('ends with a daemon whose arguments are wrong, that cannot start, or that broke down under its VMM', async () => {
    for (const [name, cause] of [
      ['exits-early', 'start-failed'],
      ['quits-after-connect', 'failed'],
    ] as const) {
      await using own = await pluginContext();
      const program = name === 'exits-early' ? fixture(name) : await nodeFixture(name, own.directory.path);
      await using share = await open(own.context, program);
      if (name === 'quits-after-connect') {
        await share.ready;
        using vmm = await connectVhostUser(share.socketPath);
        await vmm.closed;
      }
      assert.equal((await share.closed).cause, cause);
      assert.deepEqual(delaysOf(own), []);
      await share[Symbol.asyncDispose]();
      assert.deepEqual(await leftovers(own.state), []);
    }
  });

  test('ends with a daemon of which nobody can tell whether its VMM is there', async () => {
    await using own = await pluginContext();
    await using share = await open(own.context, fixture('waits'), {
      ready: { settleMs: 0 },
      connectedLine: undefined as never,
    });
    await share.ready;
    process.kill(share.pid, 'SIGKILL');
    assert.equal((await share.closed).cause, 'crashed');
    assert.deepEqual(delaysOf(own), []);
  });
});

describe('a share with another policy', () => {
  for (const onExit of ['stop-sandbox', 'keep'] as const) {
    test(`has no other daemon: ${onExit}`, async () => {
      await using own = await pluginContext();
      await using share = await open(own.context, fixture('waits'), { onExit });
      await share.ready;
      process.kill(share.pid, 'SIGKILL');
      assert.equal((await share.closed).cause, 'crashed');
      assert.deepEqual([share.onExit, recordOf(own)?.onExit, share.status().restarts], [onExit, onExit, 0]);
      await share[Symbol.asyncDispose]();
      assert.deepEqual(await leftovers(own.state), []);
    });
  }
});
