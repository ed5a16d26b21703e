import { fromBinary } from '@bufbuild/protobuf';
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import test from 'node:test';
import { Code, StatusError } from 'ttrpc-ts';
import { collect, messages, startEcho } from '../fixtures/echo.ts';
import { frame } from '../fixtures/raw-peer.ts';
import { startRawServer } from '../fixtures/raw-server.ts';
import { until } from '../fixtures/turns.ts';
import { RequestSchema } from '../proto/envelope_pb.ts';

const canceled = { name: 'StatusError', code: Code.Canceled, message: 'context canceled' };
const late = { name: 'StatusError', code: Code.DeadlineExceeded, message: 'context deadline exceeded' };

test('a call rejects with Canceled when its signal aborts, and drops the late answer', async () => {
  await using server = await startRawServer();
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
});

test('a call rejects before anything is sent where its signal is aborted already', async () => {
  await using server = await startRawServer();
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

test('a call rejects with DeadlineExceeded at its timeout, of which the server is told', async () => {
  await using server = await startRawServer();
  const rejected = assert.rejects(server.client.echo({}, { timeoutMs: 20.5 }), late);
  const sent = await server.peer.next();
  assert.equal(fromBinary(RequestSchema, sent!.body).timeoutNano, 20_500_000n);
  await rejected;
});

test('a stream rejects with DeadlineExceeded at its timeout', async () => {
  await using server = await startRawServer();
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

test('AbortSignal.timeout() makes DeadlineExceeded of a call', async () => {
  await using server = await startRawServer();
  await assert.rejects(server.client.echo({}, { signal: AbortSignal.timeout(5) }), late);
});

test('a call refuses a timeout that is not a number', async () => {
  await using server = await startRawServer();
  await assert.rejects(server.client.echo({}, { timeoutMs: Number.NaN }), { code: Code.InvalidArgument });
});

test('leaving the loop over a stream abandons it and stops its input', async () => {
  await using echo = await startEcho();
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

test('a call rejects with what its input fails with', async () => {
  await using echo = await startEcho();
  await assert.rejects(echo.client.join(brokenInput()), { code: Code.DataLoss, message: 'input failed' });
});

test('a stream that nobody consumes rejects nowhere', async () => {
  await using server = await startRawServer();
  server.client.repeat({});
  server.client.chat(messages('a'));
  await server.transport.close();
});

async function* brokenInput(): AsyncGenerator<{ message: string }> {
  yield { message: 'one' };
  throw new StatusError(Code.DataLoss, 'input failed');
}
