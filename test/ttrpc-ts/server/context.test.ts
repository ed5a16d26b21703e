import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import test from 'node:test';
import { Code, type HandlerContext, type StatusError } from 'ttrpc-ts';
import { EchoService } from '../../../src/ttrpc-ts/examples/echo_pb.ts';
import { type EchoImpl, messages, startEcho } from '../fixtures/echo.ts';
import { connectRaw, request } from '../fixtures/raw-peer.ts';

test('HandlerContext has the service, the method, the metadata and the peer of the call', async () => {
  let seen: HandlerContext | undefined;
  const implementation: EchoImpl = { echo: (_, context) => ((seen = context), {}) };
  await using fixture = await startEcho({ implementation });
  await fixture.client.echo({}, { metadata: { Foo: ['1', '2'] } });
  assert.equal(seen?.service, EchoService);
  assert.equal(seen.method, EchoService.method.echo);
  assert.deepEqual(
    [...seen.requestMetadata],
    [
      ['foo', '1'],
      ['foo', '2'],
    ],
  );
  assert.equal(seen.peer.connection, 1);
  assert.equal(seen.peer.listener, fixture.path);
});

test('HandlerContext.timeoutNano and deadline are those of the caller', async () => {
  const seen: HandlerContext[] = [];
  const implementation: EchoImpl = { echo: (_, context) => (seen.push(context), {}) };
  await using fixture = await startEcho({ implementation });
  const before = Date.now();
  await fixture.client.echo({}, { timeoutMs: 60_000 });
  await fixture.client.echo({});
  assert.equal(seen[0]?.timeoutNano, 60_000_000_000n);
  const ahead = Number(seen[0].deadline) - before;
  assert.ok(ahead >= 60_000 && ahead <= 60_000 + Date.now() - before);
  assert.equal(seen[1]?.timeoutNano, 0n);
  assert.equal(seen[1].deadline, undefined);
});

test('HandlerContext.signal is aborted from the start where the timeout is negative, and the handler is called', async () => {
  let seen: HandlerContext | undefined;
  const implementation: EchoImpl = {
    echo: (_, context) => ((seen = context), { message: String(context.signal.aborted) }),
  };
  await using fixture = await startEcho({ implementation });
  using peer = await connectRaw(fixture.path);
  peer.send(request(1, { method: 'Echo', timeoutNano: -5n }));
  assert.deepEqual((await peer.next())?.body.toString('latin1', 4), 'true');
  assert.equal(seen?.timeoutNano, -5n);
  assert.ok(Number(seen.deadline) <= Date.now());
});

test('HandlerContext.signal aborts at the deadline with a reason that answers DeadlineExceeded', async () => {
  const implementation: EchoImpl = {
    echo: async (_, { signal }) => {
      await setTimeout(60_000, undefined, { signal });
      return {};
    },
  };
  await using fixture = await startEcho({ implementation });
  using peer = await connectRaw(fixture.path);
  peer.send(request(1, { method: 'Echo', timeoutNano: 1_000_000n }));
  assert.equal(await peer.nextStatus(), '1 4 context deadline exceeded');
});

test('a late handler has its answer sent', async () => {
  const implementation: EchoImpl = {
    echo: async (_, { signal }) => {
      if (!signal.aborted) await once(signal, 'abort');
      return { message: 'late' };
    },
  };
  await using fixture = await startEcho({ implementation });
  using peer = await connectRaw(fixture.path);
  peer.send(request(1, { method: 'Echo', timeoutNano: 1_000_000n }));
  assert.equal((await peer.next())?.body.toString('latin1', 4), 'late');
});

test('the deadline of a stream ends the wait for its next request', async () => {
  await using fixture = await startEcho();
  using peer = await connectRaw(fixture.path);
  peer.send(request(1, { method: 'Join', flags: 2, timeoutNano: 1_000_000n }));
  assert.equal(await peer.nextStatus(), '1 4 context deadline exceeded');
});

test('HandlerContext.signal aborts when the handler has returned', async () => {
  let signal: AbortSignal | undefined;
  const implementation: EchoImpl = {
    join: (_, context) => (({ signal } = context), { message: String(context.signal.aborted) }),
  };
  await using fixture = await startEcho({ implementation });
  assert.equal((await fixture.client.join(messages())).message, 'false');
  assert.ok(signal?.aborted);
  assert.equal(signal.reason.code, Code.Canceled);
});

test('HandlerContext.signal aborts when the connection is lost', async () => {
  const { promise, resolve } = Promise.withResolvers<StatusError>();
  const implementation: EchoImpl = {
    echo: (_, { signal }) =>
      new Promise(() => signal.addEventListener('abort', () => resolve(signal.reason as StatusError))),
  };
  await using fixture = await startEcho({ implementation });
  const call = assert.rejects(fixture.client.echo({}), { code: Code.Unavailable });
  await new Promise((done) => setImmediate(done));
  await fixture.transport.close();
  const reason = await promise;
  assert.equal(reason.code, Code.Canceled);
  assert.equal((reason.cause as StatusError).code, Code.Unavailable);
  await call;
});
