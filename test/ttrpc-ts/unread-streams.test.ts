import { create, toBinary } from '@bufbuild/protobuf';
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Code, StatusError } from 'ttrpc-ts';
import { EchoResponseSchema } from '../../src/ttrpc-ts/examples/echo_pb.ts';
import { collect, type EchoImpl, startEcho } from './fixtures/echo.ts';
import { connectRaw, frame, request } from './fixtures/raw-peer.ts';
import { startRawServer } from './fixtures/raw-server.ts';
import { collectGarbage } from './fixtures/collect-garbage.ts';
import { turns, until } from './fixtures/turns.ts';
import { ResponseSchema } from './proto/envelope_pb.ts';

const encode = (message: string): Uint8Array =>
  toBinary(EchoResponseSchema, create(EchoResponseSchema, { message }));
const data = (message: string, flags = 0): Buffer => frame(1, { type: 3, flags, body: encode(message) });
const large = 'x'.repeat(3 << 20);

const endings: [string, () => Buffer[]][] = [
  [
    '257 messages, the last of which ends it',
    () => [...Array.from({ length: 256 }, () => data('x')), data('x', 1)],
  ],
  ['3 MiB twice, the second time with the end', () => [data(large), data(large, 1)]],
  [
    '3 MiB and a response of 3 MiB',
    () => [
      data(large),
      frame(1, {
        type: 2,
        body: toBinary(ResponseSchema, create(ResponseSchema, { payload: encode(large) })),
      }),
    ],
  ],
];

for (const [name, frames] of endings) {
  test(`an unread stream of ${name} blocks nobody, and stays to be read`, async () => {
    await using server = await startRawServer({ streamBufferMessages: 256 });
    const { client, peer } = server;
    const unread = client.repeat({});
    const beside = client.echo({});
    for (const each of frames()) peer.send(each);
    peer.send(frame(3, { type: 2 }));
    await beside;
    assert.equal((await collect(unread)).length, frames().length);
  });
}

test('an unread stream of requests that has ended blocks nobody', async () => {
  const { promise: released, resolve } = Promise.withResolvers<void>();
  const implementation: EchoImpl = {
    async join(requests) {
      await released;
      return { message: String((await collect(requests)).length) };
    },
  };
  await using fixture = await startEcho({ server: { streamBufferMessages: 4 }, implementation });
  using peer = await connectRaw(fixture.path);
  peer.send(request(1, { method: 'Join', flags: 2 }));
  for (let count = 0; count < 4; count++) peer.send(data('x'));
  peer.send(data('x', 1));
  peer.send(request(3, { method: 'Echo' }));
  assert.equal(await peer.nextStatus(), '3 0 ');
  resolve();
  assert.equal((await peer.next())?.body.toString('latin1', 4), '5');
});

test('a stream that is given up lets its connection go on', async () => {
  for (const leave of ['return', 'signal', 'timeout'] as const) {
    await using server = await startRawServer({ streamBufferMessages: 2, streamStallTimeoutMs: 3_600_000 });
    const { client, peer } = server;
    const controller = new AbortController();
    const options = leave === 'timeout' ? { timeoutMs: 20 } : { signal: controller.signal };
    const answers = client.repeat({}, options)[Symbol.asyncIterator]();
    const beside = client.echo({});
    for (let count = 0; count < 4; count++) peer.send(data('x'));
    peer.send(frame(3, { type: 2 }));
    await turns(10);
    if (leave === 'return') await answers.return?.();
    if (leave === 'signal') controller.abort();
    await beside;
  }
});

test('a stream that stalls delivers what had arrived, then its error', async () => {
  await using server = await startRawServer({ streamBufferMessages: 2, streamStallTimeoutMs: 20 });
  const { client, peer } = server;
  const answers = client.repeat({});
  const beside = client.echo({});
  for (const text of ['a', 'b', 'c', 'd']) peer.send(data(text));
  peer.send(frame(3, { type: 2 }));
  await beside;
  const seen: string[] = [];
  await assert.rejects(
    async () => {
      for await (const { message } of answers) seen.push(message);
    },
    { code: Code.ResourceExhausted, message: 'ttrpc: stream buffer full' },
  );
  assert.deepEqual(seen, ['a', 'b', 'c']);
});

const failures: [string, Buffer, { code: Code; message: RegExp }][] = [
  ['an unknown frame', frame(1, { type: 9 }), { code: Code.Internal, message: /protocol error$/ }],
  [
    'a frame above 4 MiB',
    Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 1, 3, 0]),
    { code: Code.ResourceExhausted, message: /^message length 4278190080 exceed/ },
  ],
];

for (const [name, bytes, error] of failures) {
  test(`a stream that fails for ${name} delivers what had arrived first`, async () => {
    await using server = await startRawServer();
    const answers = server.client.repeat({})[Symbol.asyncIterator]();
    for (const each of [data('a'), data('b'), bytes]) server.peer.send(each);
    await turns(20);
    assert.equal((await answers.next()).value.message, 'a');
    assert.equal((await answers.next()).value.message, 'b');
    await assert.rejects(answers.next(), error);
    assert.ok((await answers.next()).done);
  });
}

test('a stream whose input fails delivers what had arrived first', async () => {
  await using server = await startRawServer();
  const { promise: released, reject } = Promise.withResolvers<never>();
  async function* input(): AsyncGenerator<{ message: string }> {
    yield await released;
  }
  const answers = server.client.chat(input())[Symbol.asyncIterator]();
  server.peer.send(data('a'));
  await turns(20);
  reject(new StatusError(Code.DataLoss, 'input failed'));
  await turns(1);
  assert.equal((await answers.next()).value.message, 'a');
  await assert.rejects(answers.next(), { code: Code.DataLoss });
});

test('a handler gets the requests that had arrived before its connection was lost, then the error', async () => {
  const { promise: released, resolve } = Promise.withResolvers<void>();
  const seen: unknown[] = [];
  const implementation: EchoImpl = {
    async join(requests) {
      await released;
      try {
        for await (const { message } of requests) seen.push(message);
      } catch (error) {
        seen.push(String(error));
      }
      return {};
    },
  };
  const closed: number[] = [];
  const server = { onConnectionClose: () => void closed.push(1) };
  await using fixture = await startEcho({ server, implementation });
  using peer = await connectRaw(fixture.path);
  for (const each of [request(1, { method: 'Join', flags: 2 }), data('a'), data('b')]) peer.send(each);
  peer.socket.end();
  await until(() => closed.length > 0);
  resolve();
  await until(() => seen.length === 3);
  assert.deepEqual(seen, ['a', 'b', 'StatusError: Canceled: context canceled']);
});

test('a stream may be watched with a call for every message, however many are ahead', async () => {
  const count = 5000;
  await using fixture = await startEcho();
  const { client } = fixture;
  let seen = 0;
  for await (const { message } of client.repeat({ message: 'event', count })) {
    assert.equal((await client.echo({ message })).message, 'event');
    seen++;
  }
  assert.equal(seen, count);
});

test('a stream may be watched with a call although its buffer is full', async () => {
  let sent = 0;
  const implementation: EchoImpl = {
    async *repeat({ message }) {
      for (; ; sent++) yield { message };
    },
  };
  const client = { streamBufferBytes: 400_000, streamStallTimeoutMs: 2000 };
  await using fixture = await startEcho({ server: { highWaterMark: 1 << 16 }, client, implementation });
  let seen = 0;
  for await (const { message } of fixture.client.repeat({ message: 'event' })) {
    if (seen === 0) {
      // More than the buffer and what the kernel holds: the answer is behind what is held up.
      await until(() => sent * message.length > 400_000);
      assert.equal((await fixture.client.echo({ message })).message, 'event');
    }
    if (++seen === 1000) break;
  }
  assert.equal(seen, 1000);
});

test('calls beside a stream whose reader is slow are answered before it has read all', async () => {
  await using fixture = await startEcho({ client: { streamBufferBytes: 20_000, streamStallTimeoutMs: 10 } });
  const { client } = fixture;
  const answers = client.repeat({ message: 'x'.repeat(100), count: 2000 });
  let seen = 0;
  let seenBefore: number | undefined;
  const beside = (async () => {
    await turns(5);
    await client.echo({ message: 'beside' });
    seenBefore = seen;
  })();
  for await (const _ of answers) {
    seen++;
    // Slow until the call beside it is answered, which no hurry of the reader brings about.
    if (seenBefore === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await beside;
  assert.equal(seen, 2000);
  assert.ok(seenBefore !== undefined && seenBefore < 1500, `${seenBefore} messages were read first`);
});

test('small messages of a stream that is not read keep no more memory than they take', async () => {
  await using server = await startRawServer();
  const { client, peer } = server;
  const answers = client.repeat({});
  const filler = frame(77, { type: 3, body: Buffer.alloc(64 << 10) });
  const before = process.memoryUsage().arrayBuffers;
  for (let count = 0; count < 600; count++) {
    if (!peer.socket.write(Buffer.concat([data('event'), filler]))) await settledWrites(peer.socket);
  }
  peer.send(data('event', 1));
  await settledWrites(peer.socket);
  await collectGarbage();
  const kept = process.memoryUsage().arrayBuffers - before;
  assert.ok(kept < 16 << 20, `${kept >> 20} MiB are kept`);
  assert.equal((await collect(answers)).length, 601);
});

async function settledWrites(socket: { writableLength: number }): Promise<void> {
  await until(() => socket.writableLength === 0);
}

test('a process ends although a stream of a closed connection is unread', async () => {
  const program = fileURLToPath(new URL('./fixtures/unread-stream.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [program]);
  assert.equal(stdout, 'started\nfull\nclosed\n');
});
