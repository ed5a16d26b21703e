import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import { type EchoImpl, startEcho } from '../fixtures/echo.ts';
import { connectRaw, frame, type RawPeer, request } from '../fixtures/raw-peer.ts';

/** Runs against a server, then shows that its connection still serves calls. */
async function withPeer(use: (peer: RawPeer) => Promise<void>, implementation?: EchoImpl): Promise<void> {
  await using echo = await startEcho(implementation ? { implementation } : {});
  using peer = await connectRaw(echo.path);
  await use(peer);
  peer.send(request(99_999, { method: 'Echo', payload: Buffer.from([0x0a, 1, 0x78]) }));
  assert.equal(await peer.nextStatus(), '99999 0 ');
  assert.equal((await echo.client.echo({ message: 'beside' })).message, 'beside');
}

const odd = 'StreamID must be odd for client initiated streams';
const reused = 'StreamID cannot be re-used and must increment';
const inactive = 'StreamID is no longer active';
const payload = Buffer.from([0x0a, 1, 0x61]);

const answers: [string, (() => Buffer)[], string[]][] = [
  ['an even stream id', [() => request(2, { method: 'Echo' })], [`2 3 ${odd}`]],
  ['stream id 0', [() => request(0, { method: 'Echo' })], [`0 3 ${odd}`]],
  ['an even stream id on a frame of an unknown type', [() => frame(4, { type: 9 })], [`4 3 ${odd}`]],
  [
    'a reused stream id',
    [() => request(5, { method: 'Echo' }), () => request(5, { method: 'Echo' })],
    ['5 0 ', `5 3 ${reused}`],
  ],
  [
    'a lower stream id that was used',
    [
      () => request(3, { method: 'Echo' }),
      () => request(5, { method: 'Echo' }),
      () => request(3, { method: 'Echo' }),
    ],
    ['3 0 ', '5 0 ', `3 3 ${reused}`],
  ],
  [
    'an unknown service',
    [() => request(1, { service: 'no.Such', method: 'Echo' })],
    ['1 12 service no.Such'],
  ],
  ['an unknown method', [() => request(1, { method: 'Nope' })], ['1 12 method Nope']],
  ['an empty request', [() => frame(1, {})], ['1 12 service ']],
  ['data on an unknown stream', [() => frame(1, { type: 3 })], [`1 3 ${inactive}`]],
  [
    'data on a finished stream',
    [() => request(1, { method: 'Echo' }), () => frame(1, { type: 3 })],
    ['1 0 ', `1 3 ${inactive}`],
  ],
  [
    'data behind the end of a stream',
    [
      () => request(1, { method: 'Join', flags: 2 }),
      () => frame(1, { type: 3, flags: 5 }),
      () => frame(1, { type: 3 }),
    ],
    ['1 3 data handling error: ttrpc: stream closed'],
  ],
  [
    'data that ends a stream, with a body',
    [() => request(1, { method: 'Join', flags: 2 }), () => frame(1, { type: 3, flags: 1, body: payload })],
    ['1 0 '],
  ],
];

for (const [name, frames, expected] of answers) {
  test(`createServer() answers ${name} as Go does, and goes on`, () =>
    withPeer(async (peer) => {
      for (const each of frames) peer.send(each());
      for (const status of expected) assert.equal(await peer.nextStatus(), status);
    }));
}

test('createServer() answers stream ids in any order, each once', () =>
  withPeer(async (peer) => {
    for (const streamId of [9, 1, 5, 7, 3, 5]) peer.send(request(streamId, { method: 'Echo' }));
    for (const streamId of [9, 1, 5, 7, 3]) assert.equal(await peer.nextStatus(), `${streamId} 0 `);
    assert.equal(await peer.nextStatus(), `5 3 ${reused}`);
  }));

const ignored: [string, Buffer][] = [
  ['a frame of type 0', frame(1, { type: 0 })],
  ['a frame of type 9', frame(1, { type: 9, body: payload })],
  ['a response from a client', frame(1, { type: 2, body: payload })],
];

for (const [name, bytes] of ignored) {
  test(`createServer() ignores ${name}`, () => withPeer(async (peer) => peer.send(bytes)));
}

test('createServer() ignores unknown flags: the kind of the method decides', () =>
  withPeer(async (peer) => {
    peer.send(request(1, { method: 'Echo', flags: 0xff }));
    assert.equal(await peer.nextStatus(), '1 0 ');
  }));

test('createServer() answers a frame above 4 MiB with ResourceExhausted and does not consume its stream id', () =>
  withPeer(async (peer) => {
    const length = (4 << 20) + 1;
    peer.send(frame(1, { body: Buffer.alloc(length) }));
    assert.equal(
      await peer.nextStatus(),
      `1 8 message length ${length} exceed maximum message size of 4194304`,
    );
    peer.send(request(1, { method: 'Echo' }));
    assert.equal(await peer.nextStatus(), '1 0 ');
  }));

test('createServer() ends the call whose data is announced above 4 MiB, once', () =>
  withPeer(async (peer) => {
    peer.send(request(1, { method: 'Join', flags: 2 }));
    const body = Buffer.alloc((4 << 20) + 1);
    peer.send(frame(1, { type: 3, body }));
    const message = `message length ${body.length} exceed maximum message size of 4194304`;
    assert.equal(await peer.nextStatus(), `1 8 ${message}`);
    peer.send(frame(1, { type: 3, flags: 5 }));
    assert.equal(await peer.nextStatus(), `1 3 ${inactive}`);
  }));

test('createServer() answers a malformed request with InvalidArgument', () =>
  withPeer(async (peer) => {
    peer.send(frame(1, { body: Buffer.from([0x0a, 0xff]) }));
    assert.equal(await peer.nextStatus(), '1 3 unmarshal request error: unexpected EOF');
  }));

for (const [name, bytes] of [
  ['truncated', [0x0a, 9]],
  ['invalid UTF-8', [0x0a, 1, 0xff]],
] as const) {
  test(`createServer() answers a payload that is ${name} with Internal`, () =>
    withPeer(async (peer) => {
      peer.send(request(1, { method: 'Echo', payload: Buffer.from(bytes) }));
      assert.match(await peer.nextStatus(), /^1 13 ttrpc: error unmarshalling payload: /);
    }));
}

test('createServer() accepts a request that arrives byte by byte', () =>
  withPeer(async (peer) => {
    peer.socket.setNoDelay();
    for (const byte of request(1, { method: 'Echo', payload })) {
      peer.send(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.deepEqual((await peer.next())?.body, Buffer.concat([Buffer.from([0x12, 3]), payload]));
  }));

test('createServer() answers data on an active unary call with InvalidArgument, and once', async () => {
  const { promise: release, resolve } = Promise.withResolvers<void>();
  let aborted: unknown;
  const echo: EchoImpl['echo'] = async ({ message }, { signal }) => {
    if (message === '') await release;
    aborted ??= signal.reason;
    return { message };
  };
  await withPeer(
    async (peer) => {
      peer.send(request(1, { method: 'Echo' }));
      peer.send(frame(1, { type: 3, body: payload }));
      assert.equal(await peer.nextStatus(), '1 3 data handling error: ttrpc: stream closed');
      resolve();
    },
    { echo },
  );
  assert.ok(aborted);
});

test('createServer() delivers an empty frame that ends a stream as an empty message', () =>
  withPeer(async (peer) => {
    peer.send(request(1, { method: 'Chat', flags: 2 }));
    peer.send(frame(1, { type: 3, flags: 1 }));
    assert.deepEqual(await peer.next(), { streamId: 1, type: 3, flags: 0, body: Buffer.alloc(0) });
    assert.deepEqual(await peer.next(), { streamId: 1, type: 3, flags: 5, body: Buffer.alloc(0) });
  }));

test('createServer() takes the payload of a streaming request for its first message only where there is one', () =>
  withPeer(async (peer) => {
    peer.send(request(1, { method: 'Join', flags: 2, payload }));
    peer.send(frame(1, { type: 3, body: payload }));
    peer.send(frame(1, { type: 3, flags: 5 }));
    assert.deepEqual((await peer.next())?.body, Buffer.from([0x12, 5, 0x0a, 3, 0x61, 0x20, 0x61]));
    peer.send(request(3, { method: 'Join', flags: 2 }));
    peer.send(frame(3, { type: 3, flags: 5 }));
    assert.deepEqual((await peer.next())?.body, Buffer.alloc(0));
  }));

test('createServer() starts a server stream for an empty request', () =>
  withPeer(async (peer) => {
    peer.send(request(1, { method: 'Repeat', flags: 1 }));
    assert.deepEqual(await peer.next(), { streamId: 1, type: 3, flags: 5, body: Buffer.alloc(0) });
  }));

for (const [name, cut] of [
  ['half a header', 5],
  ['half a frame', 20],
] as const) {
  test(`createServer() closes at ${name} and the end, and cancels what is in flight`, async () => {
    const { promise: canceled, resolve } = Promise.withResolvers<unknown>();
    const echo: EchoImpl['echo'] = (_, { signal }) =>
      new Promise(() => signal.addEventListener('abort', () => resolve(signal.reason)));
    await using fixture = await startEcho({ implementation: { echo } });
    using peer = await connectRaw(fixture.path);
    peer.send(request(1, { method: 'Echo' }));
    peer.send(request(3, { method: 'Echo' }).subarray(0, cut));
    peer.socket.end();
    assert.equal(await peer.next(), undefined);
    if (!peer.socket.closed) await once(peer.socket, 'close');
    assert.match(String(await canceled), /^StatusError: Canceled: context canceled$/);
  });
}
