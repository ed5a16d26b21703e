import assert from 'node:assert/strict';
import test from 'node:test';
import { Code, connect, createServer, type StatusError } from 'ttrpc-ts';
import { collect, type EchoImpl, messages, startEcho } from './fixtures/echo.ts';
import { connectRaw, frame, request } from './fixtures/raw-peer.ts';
import { makeSocketDir } from './fixtures/socket-dir.ts';
import { turns, until } from './fixtures/turns.ts';

/** An implementation whose unary method waits, and what lets it go on. */
function gate(): {
  echo: NonNullable<EchoImpl['echo']>;
  open: () => void;
  entered: (count: number) => Promise<void>;
} {
  const { promise, resolve } = Promise.withResolvers<void>();
  let count = 0;
  return {
    open: resolve,
    async echo({ message }) {
      count++;
      await promise;
      return { message };
    },
    async entered(wanted) {
      await until(() => count >= wanted);
    },
  };
}

test('Server.shutdown() answers what is in flight, then everything is gone', async () => {
  const { echo, open, entered } = gate();
  await using fixture = await startEcho({ implementation: { echo } });
  const calls = ['a', 'b', 'c', 'd', 'e'].map((message) => fixture.client.echo({ message }));
  const chat = collect(fixture.client.chat(messages('f', 'g')));
  await entered(5);
  const shutdown = fixture.server.shutdown();
  await assert.rejects(connect({ path: fixture.path }), { code: Code.Unavailable });
  open();
  assert.deepEqual(await Promise.all(calls.map(async (call) => (await call).message)), [
    'a',
    'b',
    'c',
    'd',
    'e',
  ]);
  assert.deepEqual(await chat, ['f', 'g']);
  await shutdown;
  assert.equal((await fixture.transport.closed).code, Code.Unavailable);
});

test('Server.shutdown() answers calls that arrived since the last answer', async () => {
  const { echo, open } = gate();
  open();
  await using fixture = await startEcho({ implementation: { echo } });
  using peer = await connectRaw(fixture.path);
  peer.send(request(1, { method: 'Echo' }));
  assert.equal(await peer.nextStatus(), '1 0 ');
  peer.send(Buffer.concat([request(3, { method: 'Echo' }), request(5, { method: 'Echo' })]));
  await fixture.server.shutdown();
  assert.equal(await peer.nextStatus(), '3 0 ');
  assert.equal(await peer.nextStatus(), '5 0 ');
  assert.equal(await peer.next(), undefined);
});

test('Server.shutdown() waits for live calls although others were refused', async () => {
  const { echo, open, entered } = gate();
  await using fixture = await startEcho({ implementation: { echo } });
  using peer = await connectRaw(fixture.path);
  peer.send(request(1, { method: 'Echo' }));
  await entered(1);
  for (let streamId = 3; streamId < 13; streamId += 2) peer.send(request(streamId, { method: 'Nope' }));
  peer.send(frame(2, {}));
  for (let answers = 0; answers < 6; answers++) await peer.next();
  const shutdown = fixture.server.shutdown();
  await turns(20);
  open();
  assert.equal(await peer.nextStatus(), '1 0 ');
  await shutdown;
});

test('Server.shutdown() refuses calls that come later with Unavailable', async () => {
  const { echo, open, entered } = gate();
  await using fixture = await startEcho({ implementation: { echo } });
  const first = fixture.client.echo({ message: 'first' });
  await entered(1);
  const shutdown = fixture.server.shutdown();
  await turns(20);
  const message = 'The server is shutting down';
  await assert.rejects(fixture.client.echo({}), { code: Code.Unavailable, message });
  open();
  assert.equal((await first).message, 'first');
  await shutdown;
});

test('Server.shutdown() rejects when its signal aborts, and close() ends what is left', async () => {
  const { echo, entered } = gate();
  await using fixture = await startEcho({ implementation: { echo } });
  const call = assert.rejects(fixture.client.echo({}), { code: Code.Unavailable, message: 'ttrpc: closed' });
  await entered(1);
  const { server } = fixture;
  const late = { code: Code.DeadlineExceeded, message: 'Cannot finish the shutdown: the signal is aborted' };
  await assert.rejects(server.shutdown({ signal: AbortSignal.timeout(1) }), late);
  await assert.rejects(server.shutdown({ signal: AbortSignal.abort() }), { code: Code.Canceled });
  await server.close();
  await call;
});

test('Server.shutdown() settles at once where there is nothing, also before listen() and twice', async () => {
  const server = createServer();
  await server.shutdown();
  await server.shutdown();
  await assert.rejects(server.listen({ path: '/x' }), { code: Code.FailedPrecondition });
});

test('Server.close() cancels handlers and rejects calls', async () => {
  const reasons: StatusError[] = [];
  const implementation: EchoImpl = {
    repeat: async function* (_, { signal }) {
      yield { message: 'one' };
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      reasons.push(signal.reason as StatusError);
    },
  };
  await using fixture = await startEcho({ implementation });
  const answers = fixture.client.repeat({})[Symbol.asyncIterator]();
  assert.equal((await answers.next()).value.message, 'one');
  await fixture.server.close();
  await assert.rejects(answers.next(), { code: Code.Unavailable });
  assert.equal(reasons[0]?.code, Code.Canceled);
});

test('a handler may start the shutdown, and its answer is sent', async () => {
  let shutdown: Promise<void> | undefined;
  const implementation: EchoImpl = {
    echo: () => {
      shutdown = fixture.server.shutdown();
      return { message: 'bye' };
    },
  };
  await using fixture = await startEcho({ implementation });
  assert.equal((await fixture.client.echo({})).message, 'bye');
  await shutdown;
});

test('connections of clients that left are given up', async () => {
  const closed: number[] = [];
  await using dir = await makeSocketDir();
  await using server = createServer({ onConnectionClose: ({ connection }) => void closed.push(connection) });
  await server.listen({ path: dir.socket() });
  for (let count = 0; count < 20; count++) await (await connect({ path: dir.socket() })).close();
  await until(() => closed.length >= 20);
  assert.deepEqual(
    closed.toSorted((a, b) => a - b),
    Array.from({ length: 20 }, (_, index) => index + 1),
  );
});
