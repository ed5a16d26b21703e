import { fromBinary } from '@bufbuild/protobuf';
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import test from 'node:test';
import { type ClientInterceptor, Code, StatusError } from 'ttrpc-ts';
import { collect, messages, startEcho } from '../fixtures/echo.ts';
import { frame } from '../fixtures/raw-peer.ts';
import { type RawServer, startRawServer } from '../fixtures/raw-server.ts';
import { testBoth } from '../fixtures/test-both.ts';
import { turns, until } from '../fixtures/turns.ts';
import { RequestSchema } from '../proto/envelope_pb.ts';

const canceled = { name: 'StatusError', code: Code.Canceled, message: 'context canceled' };
const late = { name: 'StatusError', code: Code.DeadlineExceeded, message: 'context deadline exceeded' };

testBoth(
  'a call rejects with Canceled when its signal aborts, and drops the late answer',
  async (through) => {
    await using server = await startRawServer(through.client);
    const { client, peer } = server;
    const controller = new AbortController();
    const { signal } = controller;
    const calls = [
      client.echo({}, { signal }),
      client.join(messages(), { signal }),
      collect(client.repeat({}, { signal })),
    ];
    const reason = new Error('changed my mind');
    const rejected = Promise.all(calls.map((call) => assert.rejects(call, { ...canceled, cause: reason })));
    for (let frames = 0; frames < 4; frames++) await peer.next();
    controller.abort(reason);
    await rejected;
    for (const streamId of [1, 3, 5]) peer.send(frame(streamId, { type: 2 }));
    const next = client.echo({});
    peer.send(frame(7, { type: 2 }));
    await next;
  },
);

testBoth('a call rejects before anything is sent where its signal is aborted already', async (through) => {
  await using server = await startRawServer(through.client);
  const { client, peer } = server;
  await assert.rejects(client.echo({}, { signal: AbortSignal.abort() }), canceled);
  await assert.rejects(collect(client.chat(messages(), { signal: AbortSignal.abort() })), canceled);
  await assert.rejects(client.echo({}, { timeoutMs: 0 }), late);
  const next = client.echo({});
  const sent = await peer.next();
  assert.equal(sent?.streamId, 1);
  peer.send(frame(1, { type: 2 }));
  await next;
});

testBoth(
  'a call rejects with DeadlineExceeded at its timeout, of which the server is told',
  async (through) => {
    await using server = await startRawServer(through.client);
    const rejected = assert.rejects(server.client.echo({}, { timeoutMs: 20.5 }), late);
    const sent = await server.peer.next();
    assert.equal(fromBinary(RequestSchema, sent!.body).timeoutNano, 20_500_000n);
    await rejected;
  },
);

testBoth('a stream rejects with DeadlineExceeded at its timeout', async (through) => {
  await using server = await startRawServer(through.client);
  await assert.rejects(collect(server.client.repeat({}, { timeoutMs: 5 })), late);
});

test('a thousand calls share a signal without a warning, and leave no listener on it', async (t) => {
  await using echo = await startEcho();
  const warnings: Error[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning);
  process.on('warning', onWarning);
  t.after(() => process.off('warning', onWarning));
  const { signal } = new AbortController();
  await Promise.all(Array.from({ length: 1000 }, () => echo.client.echo({}, { signal })));
  assert.deepEqual(getEventListeners(signal, 'abort'), []);
  assert.deepEqual(warnings, []);
});

testBoth('AbortSignal.timeout() makes DeadlineExceeded of a call', async (through) => {
  await using server = await startRawServer(through.client);
  await assert.rejects(server.client.echo({}, { signal: AbortSignal.timeout(5) }), late);
});

testBoth('a call refuses a timeout that is not a number', async (through) => {
  await using server = await startRawServer(through.client);
  await assert.rejects(server.client.echo({}, { timeoutMs: Number.NaN }), { code: Code.InvalidArgument });
});

testBoth('leaving the loop over a stream abandons it and stops its input', async (through) => {
  await using echo = await startEcho(through);
  let stopped = false;
  async function* endless(): AsyncGenerator<{ message: string }> {
    try {
      for (;;) {
        yield { message: 'more' };
        await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      stopped = true;
    }
  }
  for await (const { message } of echo.client.chat(endless())) {
    assert.equal(message, 'more');
    break;
  }
  await until(() => stopped);
  assert.equal((await echo.client.echo({ message: 'on' })).message, 'on');
});

testBoth('a call rejects with what its input fails with', async (through) => {
  await using echo = await startEcho(through);
  await assert.rejects(echo.client.join(brokenInput()), { code: Code.DataLoss, message: 'input failed' });
});

testBoth('a stream that nobody consumes rejects nowhere', async (through) => {
  await using server = await startRawServer(through.client);
  server.client.repeat({});
  server.client.chat(messages('a'));
  await server.transport.close();
});

testBoth('return() ends a stream whose next() waits', async (through) => {
  await using server = await startRawServer({ ...through.client, ...patient });
  const answers = server.client.repeat({})[Symbol.asyncIterator]();
  const next = answers.next();
  await server.peer.next();
  assert.deepEqual(await answers.return?.(), { done: true, value: undefined });
  assert.deepEqual(await next, { done: true, value: undefined });
  assert.deepEqual(await answers.next(), { done: true, value: undefined });
  await assertAbandoned(server);
});

testBoth('return() ends a stream before the first next()', async (through) => {
  await using server = await startRawServer({ ...through.client, ...patient });
  let stopped = false;
  async function* endless(): AsyncGenerator<{ message: string }> {
    try {
      for (;;) {
        yield { message: 'more' };
        await turns(1);
      }
    } finally {
      stopped = true;
    }
  }
  const answers = server.client.chat(endless())[Symbol.asyncIterator]();
  await server.peer.next();
  await answers.return?.();
  await until(() => stopped);
  await assertAbandoned(server);
});

testBoth('return() ends a stream at once, whether or not it has been sent', async (through) => {
  await using server = await startRawServer({ ...through.client, ...patient });
  const answers = server.client.repeat({})[Symbol.asyncIterator]();
  const next = answers.next();
  await answers.return?.();
  assert.ok((await next).done);
  assert.ok((await answers.next()).done);
  await assertAbandoned(server);
});

testBoth('a stream tells of its error once, then it has ended', async (through) => {
  await using server = await startRawServer(through.client);
  const answers = server.client.repeat({}, { timeoutMs: 0 })[Symbol.asyncIterator]();
  await assert.rejects(answers.next(), late);
  assert.deepEqual(await answers.next(), { done: true, value: undefined });
});

test('a stream that is left before its interceptor has passed it on is not kept', async () => {
  const { promise: passed, resolve: pass } = Promise.withResolvers<void>();
  const interceptors: ClientInterceptor[] = [
    (next) => async (call) => {
      await passed;
      return next(call);
    },
  ];
  await using server = await startRawServer({ interceptors, ...patient });
  const answers = server.client.repeat({})[Symbol.asyncIterator]();
  const next = answers.next();
  await answers.return?.();
  assert.ok((await next).done);
  pass();
  assert.equal((await server.peer.next())?.streamId, 1);
  await assertAbandoned(server);
});

const patient = { streamStallTimeoutMs: 3_600_000 };

/** Asserts that stream 1 is not waited for any more: what the server sends on it fills no buffer. */
async function assertAbandoned({ client, peer }: RawServer): Promise<void> {
  await turns(5);
  for (let count = 0; count < 300; count++) peer.send(frame(1, { type: 3, body: Buffer.alloc(1 << 16) }));
  const beside = client.echo({});
  let next = await peer.next();
  while (next?.streamId === 1) next = await peer.next();
  peer.send(frame(next!.streamId, { type: 2 }));
  await beside;
}

async function* brokenInput(): AsyncGenerator<{ message: string }> {
  yield { message: 'one' };
  throw new StatusError(Code.DataLoss, 'input failed');
}
