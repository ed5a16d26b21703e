import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import { Code, type StatusError } from 'ttrpc-ts';
import { collectGarbage } from './fixtures/collect-garbage.ts';
import { collect, type EchoImpl, messages, startEcho } from './fixtures/echo.ts';
import { connectRaw, frame, request } from './fixtures/raw-peer.ts';
import { type RawServer, startRawServer } from './fixtures/raw-server.ts';
import { settled, turns, until } from './fixtures/turns.ts';

const mebibyte = 'm'.repeat(1 << 20);

/** Ends a connection of ours, and the cause that its calls are to be given. */
const ends: [string, (server: RawServer) => unknown, RegExp | undefined][] = [
  ['is closed', ({ transport }) => transport.close(), undefined],
  ['is ended by its peer', ({ peer }) => peer.socket.destroy(), /EPIPE|ECONNRESET|closed the connection/],
];

for (const [name, end, cause] of ends) {
  test(`every call, sent or waiting, rejects with Unavailable when a congested connection ${name}`, async () => {
    await using server = await startRawServer();
    const { client, peer, transport } = server;
    peer.socket.pause();
    const message = mebibyte.repeat(3);
    async function* input(): AsyncGenerator<{ message: string }> {
      for (;;) yield { message };
    }
    const calls = [
      client.echo({ message }),
      client.echo({ message }),
      client.echo({ message }, { timeoutMs: 3_600_000 }),
      client.join(input()),
      collect(client.chat(input())),
      collect(client.repeat({ message })),
    ];
    const results = Promise.allSettled(calls);
    await turns(5);
    void end(server);
    for (const result of await results) {
      assert.equal(result.status, 'rejected');
      const { code, message: words, cause: reason } = result.reason as StatusError;
      assert.deepEqual([code, words], [Code.Unavailable, 'ttrpc: closed']);
      if (cause) assert.match((reason as Error).message, cause);
    }
    await transport.closed;
    await assert.rejects(client.echo({ message }), { code: Code.Unavailable });
  });
}

test('handlers that wait to answer are canceled when a congested connection ends', async () => {
  const left: string[] = [];
  const implementation: EchoImpl = {
    async *repeat({ message }) {
      try {
        for (;;) yield { message: mebibyte };
      } finally {
        left.push(message);
      }
    },
  };
  await using fixture = await startEcho({ implementation });
  using peer = await connectRaw(fixture.path);
  peer.socket.pause();
  for (const [streamId, name] of [
    [1, 'a'],
    [3, 'b'],
    [5, 'c'],
  ] as const) {
    const payload = Buffer.from([0x0a, 1, name.charCodeAt(0)]);
    peer.send(request(streamId, { method: 'Repeat', flags: 1, payload }));
  }
  await until(() => peer.socket.writableLength === 0);
  await turns(20);
  peer.socket.destroy();
  await until(() => left.length === 3);
  assert.deepEqual(left.toSorted(), ['a', 'b', 'c']);
});

test('Server.shutdown() closes a connection whose peer does not take its last answers', async () => {
  const reasons: StatusError[] = [];
  const server = {
    peerStallTimeoutMs: 40,
    onConnectionClose: (_: unknown, reason: StatusError) => void reasons.push(reason),
  };
  await using fixture = await startEcho({ server, implementation: { echo: () => ({ message: mebibyte }) } });
  using peer = await connectRaw(fixture.path);
  peer.socket.pause();
  peer.send(request(1, { method: 'Echo' }));
  await turns(20);
  await fixture.server.shutdown();
  assert.equal(reasons.length, 2);
});

test('a connection lives as long as its peer takes something, however little', async () => {
  const { promise: released, resolve } = Promise.withResolvers<void>();
  const implementation: EchoImpl = {
    echo: async () => {
      await released;
      return { message: mebibyte };
    },
  };
  await using fixture = await startEcho({ server: { peerStallTimeoutMs: 400 }, implementation });
  using peer = await connectRaw(fixture.path);
  peer.socket.pause();
  for (let streamId = 1; streamId < 9; streamId += 2) peer.send(request(streamId, { method: 'Echo' }));
  await until(() => peer.socket.writableLength === 0);
  resolve();
  let taken = 0;
  // Far longer than it may take nothing; each write takes several of these steps.
  for (let step = 0; step < 20; step++) {
    await new Promise((done) => setTimeout(done, 60));
    taken += (peer.socket.read(50_000) as Buffer | null)?.length ?? 0;
    assert.ok(!peer.socket.readableEnded && !peer.socket.destroyed);
  }
  assert.ok(taken > 0);
  peer.socket.destroy();
  await once(peer.socket, 'close');
});

test('a call that is given up while it waits to be sent is kept by nothing', async () => {
  await using server = await startRawServer();
  const { client, peer } = server;
  peer.socket.pause();
  const kept: WeakRef<object>[] = [];
  for (let index = 0; index < 40; index++) {
    const init = { message: mebibyte };
    kept.push(new WeakRef(init));
    const options = index % 2 === 0 ? { timeoutMs: 1 } : { signal: AbortSignal.timeout(1) };
    await assert.rejects(client.echo(init, options), { code: Code.DeadlineExceeded });
    const answers = client.repeat(init)[Symbol.asyncIterator]();
    await answers.return?.();
  }
  await collectGarbage();
  const { length } = kept.filter((ref) => ref.deref() !== undefined);
  assert.ok(length <= 2, `${length} of ${kept.length} abandoned calls are kept`);
});

test('a waiting call that is given up makes no other one wait longer, and the order stays', async () => {
  await using server = await startRawServer();
  const { client, peer } = server;
  peer.socket.pause();
  const first = client.echo({ message: mebibyte });
  const controller = new AbortController();
  const given = assert.rejects(client.echo({ message: mebibyte }, { signal: controller.signal }), {
    code: Code.Canceled,
  });
  const calls = ['a', 'b', 'c'].map((message) => client.echo({ message }));
  await turns(5);
  controller.abort();
  await given;
  peer.socket.resume();
  const sent: string[] = [];
  for (let count = 0; count < 4; count++) {
    const next = await peer.next();
    sent.push(`${next?.streamId} ${next?.body.at(-1)}`);
    peer.send(frame(next!.streamId, { type: 2 }));
  }
  assert.deepEqual(sent, ['1 109', '3 97', '5 98', '7 99']);
  await Promise.all([first, ...calls]);
});

test('a server reads requests between the messages of streams that never have room', async () => {
  const implementation: EchoImpl = {
    async *repeat({ message }) {
      for (;;) yield { message };
    },
  };
  await using fixture = await startEcho({ implementation });
  const { client } = fixture;
  const streams = Array.from({ length: 3 }, () => client.repeat({ message: 'x'.repeat(50_000) }));
  const reading = streams.map(async (stream) => {
    let count = 0;
    for await (const _ of stream) if (++count === 300) return;
  });
  for (const message of ['a', 'b', 'c']) assert.equal((await client.echo({ message })).message, message);
  await Promise.all(reading);
});

test('what waits for a server to read is made as it reads, from every kind of call', async () => {
  await using server = await startRawServer();
  const { client, peer } = server;
  peer.socket.pause();
  let encoded = 0;
  const init = (): { message: string } => ({
    get message() {
      encoded++;
      return mebibyte;
    },
  });
  const calls = Array.from({ length: 50 }, () => [
    client.echo(init()),
    collect(client.repeat(init())),
    client.join(messages()),
  ]).flat();
  const results = Promise.allSettled(calls);
  await settled(() => encoded);
  assert.ok(encoded < 10, `${encoded} requests were encoded for nobody`);
  await server.transport.close();
  await results;
});
