import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import assert from 'node:assert/strict';
import test from 'node:test';
import { Code, StatusError } from 'ttrpc-ts';
import { collect, messages } from '../fixtures/echo.ts';
import { frame } from '../fixtures/raw-peer.ts';
import { startRawServer } from '../fixtures/raw-server.ts';
import { RequestSchema, ResponseSchema } from '../proto/envelope_pb.ts';

const answer = (text: string): Buffer =>
  Buffer.from(toBinary(ResponseSchema, create(ResponseSchema, { payload: data(text) })));
const data = (text: string): Buffer => Buffer.concat([Buffer.from([0x0a, text.length]), Buffer.from(text)]);

/** Asserts that a call rejects with a status. */
async function rejects(call: Promise<unknown>, code: Code, message: string | RegExp): Promise<StatusError> {
  const error = await call.then(
    () => assert.fail('the call did not reject'),
    (reason: unknown) => reason,
  );
  assert.ok(StatusError.is(error), String(error));
  if (typeof message === 'string') assert.equal(error.message, message);
  else assert.match(error.message, message);
  assert.equal(error.code, code);
  return error;
}

test('createClient() sends requests with odd, increasing stream ids and the flags of their kind', async () => {
  await using server = await startRawServer();
  const { client, peer } = server;
  const calls = [
    client.echo({ message: 'u' }),
    collect(client.repeat({ message: 's' })),
    client.join(messages('c')),
  ];
  const seen = [
    await peer.next(),
    await peer.next(),
    await peer.next(),
    await peer.next(),
    await peer.next(),
  ];
  assert.deepEqual(
    seen.map((each) => [each?.streamId, each?.type, each?.flags]),
    [
      [1, 1, 0],
      [3, 1, 1],
      [5, 1, 6],
      [5, 3, 0],
      [5, 3, 5],
    ],
  );
  const { service, method, payload } = fromBinary(RequestSchema, seen[0]!.body);
  assert.deepEqual(
    [service, method, Buffer.from(payload)],
    ['ttrpc.example.v1.EchoService', 'Echo', data('u')],
  );
  for (const streamId of [1, 5]) peer.send(frame(streamId, { type: 2, body: answer('done') }));
  peer.send(frame(3, { type: 3, flags: 5 }));
  await Promise.all(calls);
});

test('createClient() ignores frames of unknown streams', async () => {
  await using server = await startRawServer();
  const call = server.client.echo({});
  server.peer.send(frame(77, { type: 2, body: answer('not you') }));
  server.peer.send(frame(2, { type: 3 }));
  server.peer.send(frame(1, { type: 2, body: answer('you') }));
  assert.equal((await call).message, 'you');
});

for (const [type, name] of [
  [1, 'request'],
  [3, 'data'],
  [9, 'unknown'],
] as const) {
  test(`createClient() rejects a unary call that is answered by a frame of type ${type}`, async () => {
    await using server = await startRawServer();
    const call = server.client.echo({});
    server.peer.send(frame(1, { type }));
    await rejects(call, Code.Internal, `unexpected "${name}" message received: protocol error`);
  });
}

test('createClient() rejects data from a server that does not stream', async () => {
  await using server = await startRawServer();
  const call = server.client.join(messages('a'));
  server.peer.send(frame(1, { type: 3, body: data('a') }));
  await rejects(call, Code.Internal, 'unexpected "data" message received: protocol error');
});

test('createClient() rejects only the call whose answer is above 4 MiB', async () => {
  await using server = await startRawServer();
  const calls = [server.client.echo({}), server.client.echo({})];
  server.peer.send(frame(1, { type: 2, body: Buffer.alloc((4 << 20) + 1) }));
  server.peer.send(frame(3, { type: 2, body: answer('fine') }));
  const message = `message length ${(4 << 20) + 1} exceed maximum message size of 4194304`;
  await rejects(calls[0]!, Code.ResourceExhausted, message);
  assert.equal((await calls[1]!).message, 'fine');
});

test('createClient() rejects the call whose answer is announced above 4 MiB, before it has arrived', async () => {
  await using server = await startRawServer();
  const call = server.client.echo({});
  server.peer.send(Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 2, 0]));
  const message = 'message length 4294967295 exceed maximum message size of 4194304';
  await rejects(call, Code.ResourceExhausted, message);
});

test('createClient() refuses a stream of requests that is no async iterable, and sends nothing', async () => {
  await using server = await startRawServer();
  const { client, peer } = server;
  const message = /^Cannot call .*Join.*: its requests are no async iterable$/;
  for (const input of [undefined, null, {}, [{ message: 'a' }], 'text', 5]) {
    await rejects(client.join(input as never), Code.InvalidArgument, message);
    const chat = collect(client.chat(input as never));
    await rejects(chat, Code.InvalidArgument, /Chat/);
  }
  const call = client.echo({});
  assert.equal((await peer.next())?.streamId, 1);
  peer.send(frame(1, { type: 2 }));
  await call;
});

test('createClient() rejects a request above 4 MiB and sends nothing', async () => {
  await using server = await startRawServer();
  const { client, peer } = server;
  await rejects(
    client.echo({ message: 'x'.repeat(4 << 20) }),
    Code.ResourceExhausted,
    /^message length 4194\d+ exceed/,
  );
  const call = client.echo({});
  const next = await peer.next();
  peer.send(frame(next!.streamId, { type: 2 }));
  await call;
});

for (const [name, body] of [
  ['envelope', Buffer.from([0x12, 9])],
  ['payload', Buffer.from([0x12, 2, 0x0a, 9])],
] as const) {
  test(`createClient() rejects a malformed ${name} with Internal, and goes on`, async () => {
    await using server = await startRawServer();
    const calls = [server.client.echo({}), server.client.echo({})];
    server.peer.send(frame(1, { type: 2, body }));
    server.peer.send(frame(3, { type: 2, body: answer('fine') }));
    await rejects(calls[0]!, Code.Internal, /./);
    assert.equal((await calls[1]!).message, 'fine');
  });
}

test('createClient() ends a stream at the message that it cannot decode', async () => {
  await using server = await startRawServer();
  const answers = server.client.repeat({})[Symbol.asyncIterator]();
  server.peer.send(frame(1, { type: 3, body: data('good') }));
  server.peer.send(frame(1, { type: 3, body: Buffer.from([0x0a, 9]) }));
  server.peer.send(frame(1, { type: 3, body: data('never seen') }));
  assert.equal((await answers.next()).value.message, 'good');
  await rejects(answers.next(), Code.Internal, /./);
  assert.deepEqual(await answers.next(), { done: true, value: undefined });
});

test('createClient() ends a stream of answers at a response, with its payload if it has one', async () => {
  await using server = await startRawServer();
  const { client, peer } = server;
  const streams = [collect(client.repeat({})), collect(client.repeat({})), collect(client.repeat({}))];
  peer.send(frame(1, { type: 2, body: answer('last') }));
  peer.send(frame(3, { type: 2 }));
  peer.send(frame(5, { type: 3, flags: 1, body: data('with the end') }));
  assert.deepEqual(await Promise.all(streams), [['last'], [], ['with the end']]);
});

test('createClient() rejects pending calls with Unavailable and the cause where the peer closes', async () => {
  await using server = await startRawServer();
  const { client, peer, transport } = server;
  const stream = client.repeat({})[Symbol.asyncIterator]();
  const calls = [client.echo({}), client.join(messages())];
  await peer.next();
  peer.send(frame(1, { type: 3, body: data('before') }));
  peer.socket.end();
  for (const call of calls) {
    const error = await rejects(call, Code.Unavailable, 'ttrpc: closed');
    assert.equal((error.cause as Error).message, 'The peer closed the connection');
  }
  assert.equal((await stream.next()).value.message, 'before');
  await rejects(stream.next(), Code.Unavailable, 'ttrpc: closed');
  assert.equal((await transport.closed).code, Code.Unavailable);
  await rejects(client.echo({}), Code.Unavailable, 'ttrpc: closed');
  await rejects(collect(client.chat(messages('a'))), Code.Unavailable, 'ttrpc: closed');
});

test('Transport.close() rejects pending calls, and again does nothing', async () => {
  await using server = await startRawServer();
  const call = server.client.echo({});
  const rejected = rejects(call, Code.Unavailable, 'ttrpc: closed');
  await Promise.all([server.transport.close(), server.transport.close()]);
  await rejected;
  await server.transport.close();
});
