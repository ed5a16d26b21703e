import assert from 'node:assert/strict';
import { mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code, connect, createClient } from 'ttrpc-ts';
import { Host, type HandOverRequestSchema, type HandOverResponse } from '../../../src/proto/host/host_pb.ts';
import { Sandbox } from '../../../src/proto/containerd/sandbox_pb.ts';
import { Shares } from '../../../src/proto/share/shares_pb.ts';
import type { Successor } from '../../../src/services/hand-over/hand-over-service.ts';
import { serve } from '../../../src/services/serve.ts';
import { eventually } from '../../harness/eventually.ts';
import { readUntil } from '../../harness/share-client.ts';
import { followCall, slowDaemon, whenBegun } from '../../harness/take-over.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { openTestHost, type TestHost } from '../../harness/test-host.ts';

type Step = MessageInitShape<typeof HandOverRequestSchema>;

const ASK: Step = { step: { case: 'ask', value: { pid: 4711, version: '9', finishMs: 600_000 } } };
const LET_GO: Step = { step: { case: 'letGo', value: {} } };

/** A host that hands over, and whoever it has handed over to. */
async function openHandingHost(
  daemon: string,
): Promise<TestHost & { address: string; successors: Successor[] }> {
  await using stack = new AsyncDisposableStack();
  const own = stack.use(await openTestHost({ daemon }));
  const successors: Successor[] = [];
  const onHandedOver = (successor: Successor): void => void successors.push(successor);
  const { address } = stack.use(await serve(own.host, { onHandedOver }));
  const all = stack.move();
  return { ...own, address, successors, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/** A host that is to follow, one step at a time. Disposal ends its call. */
async function openAsker(address: string): Promise<{
  say(step: Step): void;
  hear(): Promise<string | undefined>;
  [Symbol.asyncDispose](): PromiseLike<void>;
}> {
  const transport = await connect({ path: address });
  const said: Step[] = [];
  let onSaid = Promise.withResolvers<void>();
  async function* steps(): AsyncGenerator<Step> {
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- a stream
      await onSaid.promise;
      onSaid = Promise.withResolvers();
      yield* said.splice(0);
    }
  }
  const answers = createClient(Host, transport).handOver(steps())[Symbol.asyncIterator]();
  return {
    say(step) {
      said.push(step);
      onSaid.resolve();
    },
    async hear() {
      const { value } = (await answers.next()) as IteratorResult<HandOverResponse, undefined>;
      return value?.step.case;
    },
    [Symbol.asyncDispose]: () => transport.close(),
  };
}

describe('createHandOverService()', () => {
  test('is idle when the calls in flight are answered, keeps others waiting, and goes on where its caller does not', async () => {
    await using around = await temporaryDirectory();
    const { daemon, finish } = await slowDaemon(around.path);
    await using own = await openHandingHost(daemon);
    await using transport = await connect({ path: own.address });
    const shares = createClient(Shares, transport);
    const order: string[] = [];
    const open = async (sandboxId: string): Promise<void> => {
      await shares.open({ sandboxId, tag: 'work', source: own.source });
      order.push(sandboxId);
    };
    const first = open('first');
    await whenBegun(own.state, 'first');

    const asker = await openAsker(own.address);
    asker.say(ASK);
    assert.equal(await asker.hear(), 'accepted');
    const idle = asker.hear().then((step) => order.push(step ?? ''));
    const late = followCall(open('late'));
    // By the time that this is answered, all the others have arrived.
    const watching = new AbortController();
    const watch = shares.watch({}, { signal: watching.signal })[Symbol.asyncIterator]();
    await readUntil(watch, ({ event }) => event === 'synced');
    watching.abort();
    assert.deepEqual(order, []);
    finish();
    await Promise.all([first, idle]);
    // They come on two connections.
    assert.deepEqual(new Set(order), new Set(['first', 'idle']));
    await asker[Symbol.asyncDispose]();
    await late.settled;
    assert.deepEqual(order.slice(2), ['late']);
    assert.deepEqual(own.successors, []);
  });

  test('waits for no call that lasts as long as a sandbox, and tells who follows', async () => {
    await using own = await openHandingHost('waits');
    await using _ = await own.host.openShare({ sandboxId: 'sb', tag: 'work' });
    await using transport = await connect({ path: own.address });
    const watch = createClient(Shares, transport).watch({})[Symbol.asyncIterator]();
    await readUntil(watch, ({ event }) => event === 'synced');
    const waiting = createClient(Sandbox, transport).waitSandbox(
      { sandboxId: 'sb' },
      { metadata: { 'containerd-namespace-ttrpc': ['default'] } },
    );
    const ended = followCall(waiting);
    await using asker = await openAsker(own.address);
    asker.say(ASK);
    assert.deepEqual([await asker.hear(), await asker.hear()], ['accepted', 'idle']);
    asker.say(LET_GO);
    assert.equal(await asker.hear(), undefined);
    assert.deepEqual(own.successors, [{ pid: 4711, version: '9' }]);
    assert.equal(ended.result(), undefined);
    await transport.close();
    await ended.settled;
  });

  test('hands over to one at a time, who says so first', async () => {
    await using own = await openHandingHost('waits');
    await using first = await openAsker(own.address);
    first.say(ASK);
    assert.deepEqual([await first.hear(), await first.hear()], ['accepted', 'idle']);
    await using second = await openAsker(own.address);
    second.say(ASK);
    await assert.rejects(second.hear(), {
      name: 'StatusError',
      code: Code.FailedPrecondition,
      message: 'Cannot hand over: another host takes over already (pid 4711)',
    });
    await using third = await openAsker(own.address);
    third.say(LET_GO);
    await assert.rejects(third.hear(), { code: Code.InvalidArgument, message: 'Say first who asks' });
    await first[Symbol.asyncDispose]();
    await eventually('it goes on', () =>
      own.captured.lines.some(({ msg }) => msg.startsWith('The other host does not take over')),
    );
    await using fourth = await openAsker(own.address);
    fourth.say(ASK);
    assert.equal(await fourth.hear(), 'accepted');
    assert.deepEqual(own.successors, []);
  });

  test('serves those who wait even where it cannot take back its place', async () => {
    await using own = await openHandingHost('waits');
    await using transport = await connect({ path: own.address });
    const asker = await openAsker(own.address);
    asker.say(ASK);
    assert.deepEqual([await asker.hear(), await asker.hear()], ['accepted', 'idle']);
    const late = createClient(Shares, transport).open({ sandboxId: 'late', tag: 'work', source: own.source });
    // What it would write first.
    mkdirSync(join(own.state, 'host.pid.new'));
    await asker[Symbol.asyncDispose]();
    assert.equal((await late).share?.tag, 'work');
    const [said] = own.captured.withMessage('Cannot take back the place of this host');
    assert.match(JSON.stringify(said), /host\.pid\.new/);
    rmdirSync(join(own.state, 'host.pid.new'));
  });
});
