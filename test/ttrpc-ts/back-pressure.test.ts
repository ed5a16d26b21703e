import assert from 'node:assert/strict';
import { connect as connectSocket } from 'node:net';
import test from 'node:test';
import { Code, connect, createClient, type StatusError } from 'ttrpc-ts';
import { EchoService } from '../../src/ttrpc-ts/examples/echo_pb.ts';
import { collect, type EchoImpl, messages, startEcho } from './fixtures/echo.ts';
import { connectRaw, frame, request } from './fixtures/raw-peer.ts';
import { startRawServer } from './fixtures/raw-server.ts';
import { settled, turns, until } from './fixtures/turns.ts';

const chunk = Buffer.concat([Buffer.from([0x0a, 0x80, 0x80, 0x04]), Buffer.alloc(65_536, 0x78)]);

test('a server reads no further from a client that does not read its answers', async () => {
  let calls = 0;
  const implementation: EchoImpl = { echo: ({ message }) => (calls++, { message }) };
  await using fixture = await startEcho({ implementation });
  using peer = await connectRaw(fixture.path);
  peer.socket.pause();
  const total = 1000;
  for (let index = 0; index < total; index++)
    peer.send(request(index * 2 + 1, { method: 'Echo', payload: chunk }));
  await settled(() => calls);
  assert.ok(calls < 100, `${calls} answers of 64 KiB were made for nobody`);
  assert.equal((await fixture.client.echo({ message: 'other connection' })).message, 'other connection');
  peer.socket.resume();
  for (let index = 0; index < total; index++) assert.equal((await peer.next())?.streamId, index * 2 + 1);
});

test('a server closes a connection whose peer takes nothing, with the reason, and queues no more than it may', async () => {
  const reasons: StatusError[] = [];
  const { promise: released, resolve } = Promise.withResolvers<void>();
  const implementation: EchoImpl = {
    echo: async ({ message }) => {
      await released;
      return { message };
    },
  };
  const server = {
    highWaterMark: 1 << 18,
    peerStallTimeoutMs: 40,
    onConnectionClose: (_: unknown, reason: StatusError) => void reasons.push(reason),
  };
  await using fixture = await startEcho({ server, implementation });
  using peer = await connectRaw(fixture.path);
  peer.socket.pause();
  for (let index = 0; index < 100; index++)
    peer.send(request(index * 2 + 1, { method: 'Echo', payload: chunk }));
  await until(() => peer.socket.writableLength === 0);
  await turns(10);
  resolve();
  await until(() => reasons.length > 0);
  assert.equal(reasons[0]?.code, Code.ResourceExhausted);
  const words = /^Close the connection: (\d+) bytes wait for a peer that has taken nothing for 40 ms$/;
  const [, queued] = words.exec(reasons[0].message) ?? assert.fail(reasons[0].message);
  assert.ok(Number(queued) < (1 << 18) + 2 * chunk.length, `${queued} bytes were queued`);
});

test('a handler that streams waits for a client that does not read', async () => {
  let sent = 0;
  const text = 'x'.repeat(65_536);
  const implementation: EchoImpl = {
    repeat: async function* () {
      for (; sent < 1000; sent++) yield { message: text };
    },
  };
  await using fixture = await startEcho({ implementation });
  using peer = await connectRaw(fixture.path);
  peer.socket.pause();
  peer.send(request(1, { method: 'Repeat', flags: 1 }));
  await settled(() => sent);
  assert.ok(sent < 100, `${sent} messages of 64 KiB were made for nobody`);
  peer.socket.resume();
  let frames = 0;
  while ((await peer.next())?.flags === 0) frames++;
  assert.equal(frames, 1000);
});

test('a client waits for a server that does not read, with calls and with streams', async () => {
  await using server = await startRawServer();
  const { client, peer } = server;
  peer.socket.pause();
  let made = 0;
  const message = 'x'.repeat(65_536);
  async function* input(): AsyncGenerator<{ message: string }> {
    for (; made < 500; made++) yield { message };
  }
  const stream = client.join(input());
  await settled(() => made);
  assert.ok(made < 100, `${made} messages of 64 KiB were made for nobody`);
  const late = client.echo({ message: 'late' }, { timeoutMs: 60_000 });
  const given = assert.rejects(client.echo({}, { signal: AbortSignal.timeout(1) }), {
    code: Code.DeadlineExceeded,
  });
  await given;
  peer.socket.resume();
  for (let ends = 0; ends < 2;) {
    const next = await peer.next();
    if (next?.type === 1 && next.streamId !== 1) {
      peer.send(frame(next.streamId, { type: 2 }));
      ends++;
    } else if (next?.flags === 5) {
      peer.send(frame(1, { type: 2 }));
      ends++;
    }
  }
  await Promise.all([stream, late]);
});

test('calls that wait for a server that reads again are sent as it reads, not at once', async () => {
  await using echo = await startEcho();
  const socket = connectSocket(echo.path);
  await using transport = await connect({ stream: socket, highWaterMark: 1 << 17 });
  const client = createClient(EchoService, transport);
  let most = 0;
  let answered = 0;
  const message = 'x'.repeat(1 << 16);
  const calls = Array.from({ length: 200 }, async () => {
    await client.echo({ message });
    answered++;
  });
  await until(() => {
    most = Math.max(most, socket.writableLength);
    return answered === calls.length;
  });
  assert.ok(most > 0 && most < 1 << 19, `${most} bytes waited at once`);
  await Promise.all(calls);
});

test('a stream that its handler does not read fails alone after a while', async () => {
  const implementation: EchoImpl = {
    join: (_, { signal }) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason as Error)),
      ),
  };
  const server = { streamBufferMessages: 64, streamStallTimeoutMs: 20 };
  await using fixture = await startEcho({ server, implementation });
  using peer = await connectRaw(fixture.path);
  peer.send(request(1, { method: 'Join', flags: 2 }));
  for (let index = 0; index < 64; index++) peer.send(frame(1, { type: 3 }));
  peer.send(request(3, { method: 'Echo' }));
  assert.equal(await peer.nextStatus(), '3 0 ', 'a full stream blocks nobody');
  peer.send(frame(1, { type: 3 }));
  peer.send(request(5, { method: 'Echo' }));
  assert.equal(await peer.nextStatus(), '1 3 data handling error: ttrpc: stream buffer full');
  assert.equal(await peer.nextStatus(), '5 0 ');
});

test('a stream that its handler reads slowly gets every message', async () => {
  const implementation: EchoImpl = {
    join: async (requests) => {
      let count = 0;
      for await (const _ of requests) {
        count++;
        await turns(1);
      }
      return { message: String(count) };
    },
  };
  const server = { streamBufferMessages: 4 };
  await using fixture = await startEcho({ server, implementation });
  const texts = Array.from({ length: 500 }, () => 'text');
  const [slow, beside] = await Promise.all([
    fixture.client.join(messages(...texts)),
    fixture.client.echo({ message: 'x' }),
  ]);
  assert.equal(slow.message, '500');
  assert.equal(beside.message, 'x');
});

test('a stream that the caller does not read fails alone after a while', async () => {
  await using server = await startRawServer({ streamBufferMessages: 4, streamStallTimeoutMs: 20 });
  const { client, peer } = server;
  const stalled = client.repeat({});
  const beside = client.echo({});
  for (let count = 0; count < 5; count++) peer.send(frame(1, { type: 3 }));
  peer.send(frame(3, { type: 2 }));
  await beside;
  await assert.rejects(collect(stalled), {
    code: Code.ResourceExhausted,
    message: 'ttrpc: stream buffer full',
  });
});

test('a server refuses calls beyond its limit', async () => {
  const { promise: released, resolve } = Promise.withResolvers<void>();
  const implementation: EchoImpl = {
    echo: async ({ message }) => {
      await released;
      return { message };
    },
  };
  await using fixture = await startEcho({ server: { maxConcurrentCalls: 2 }, implementation });
  const calls = [fixture.client.echo({}), fixture.client.echo({})];
  const message = '2 calls are in flight on this connection';
  await assert.rejects(fixture.client.echo({}), { code: Code.ResourceExhausted, message });
  resolve();
  await Promise.all(calls);
  await fixture.client.echo({});
});

for (const highWaterMark of [1, 1000]) {
  test(`a high-water mark of ${highWaterMark} bytes slows down and loses nothing`, async () => {
    await using fixture = await startEcho({ server: { highWaterMark }, client: { highWaterMark } });
    const { client } = fixture;
    const message = 'x'.repeat(2000);
    const texts = Array.from({ length: 50 }, () => message);
    const [calls, chat] = await Promise.all([
      Promise.all(texts.map((text) => client.echo({ message: text }))),
      collect(client.chat(messages(...texts))),
    ]);
    assert.equal(calls.length, 50);
    assert.deepEqual(chat, texts);
  });
}
