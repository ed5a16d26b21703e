import { create, toBinary } from '@bufbuild/protobuf';
import assert from 'node:assert/strict';
import test from 'node:test';
import { Code, protobufCodec } from 'ttrpc-ts';
import { startEcho } from '../fixtures/echo.ts';
import { connectRaw, frame, request } from '../fixtures/raw-peer.ts';
import { startRawServer } from '../fixtures/raw-server.ts';
import { EverySchema } from '../proto/every_pb.ts';
import { HasGroupSchema } from '../proto/group_pb.ts';

/** 2^63 and 2^32, as lengths. */
const lengths: [string, number[]][] = [
  ['2^63', [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1]],
  ['2^32', [0x80, 0x80, 0x80, 0x80, 0x10]],
  ['2^32 + 1', [0x81, 0x80, 0x80, 0x80, 0x10]],
];

for (const [name, length] of lengths) {
  test(`createServer() answers a payload with a length of ${name} with Internal`, async () => {
    await using echo = await startEcho();
    using peer = await connectRaw(echo.path);
    peer.send(request(1, { method: 'Echo', payload: Buffer.from([0x0a, ...length, 0x61]) }));
    peer.send(request(3, { method: 'Echo', payload: Buffer.from([0x7a, ...length, 0x61]) }));
    const words = 'ttrpc: error unmarshalling payload: unexpected EOF';
    assert.equal(await peer.nextStatus(), `1 13 ${words}`);
    assert.equal(await peer.nextStatus(), `3 13 ${words}`, 'of an unknown field');
  });
}

test('createClient() rejects an answer with a length of 2^63 with Internal', async () => {
  await using server = await startRawServer();
  const call = server.client.echo({});
  const payload = [0x0a, ...lengths[0]![1]];
  server.peer.send(frame(1, { type: 2, body: Buffer.from([0x12, payload.length, ...payload]) }));
  await assert.rejects(call, { code: Code.Internal, message: 'unexpected EOF' });
});

const huge = lengths[0]![1];
const within = (tag: number[], bytes: number[]): number[] => [...tag, bytes.length, ...bytes];

const malformed: [string, number[]][] = [
  ['a message', within([0x4a], [0x0a, ...huge])],
  ['a message in a message', within([0x4a], within([0x4a], [0x0a, ...huge]))],
  ['a message in a list', within([0x7a], [0x0a, ...huge])],
  ['the entry of a map', within([0x82, 1], [0x0a, ...huge])],
  ['a message in a map', within([0x8a, 1], within([0x12], [0x0a, ...huge]))],
  ['a list of numbers', [0xc2, 6, ...huge]],
  [
    'a field of a message that runs over its end',
    [...within([0x4a], [0x0a, 5]), 0x68, 0x65, 0x6c, 0x6c, 0x6f],
  ],
];

for (const [name, bytes] of malformed) {
  test(`protobufCodec.decode() refuses a length that is wrong in ${name}`, () => {
    assert.throws(() => protobufCodec.decode(EverySchema, Uint8Array.from(bytes)), {
      message: 'unexpected EOF',
    });
  });
}

const decode = (...bytes: number[]): unknown => protobufCodec.decode(HasGroupSchema, Uint8Array.from(bytes));

test('protobufCodec.decode() refuses a length that is wrong in a group', () => {
  assert.throws(() => decode(0x0b, 0x12, ...huge, 0x0c), { message: 'unexpected EOF' });
  assert.throws(() => decode(0x0b, 0x12, 1, 0x61), { message: 'unexpected EOF' });
  assert.ok(decode(0x0b, 0x12, 1, 0x61, 0x0c, 0x1a, 1, 0x62));
});

test('protobufCodec.decode() accepts every kind of field', () => {
  const message = create(EverySchema, {
    text: 'text',
    nested: { nested: { texts: ['a', 'b'] } },
    many: [{ flag: true }, {}],
    labels: { a: 'b' },
    byName: { c: { text: 'd' } },
    byNumber: { 1: 'e' },
    numbers: [1, -1],
    double: 1.5,
    fixed32: 7,
    wrapped: 'f',
    struct: { g: [1, { h: null }] },
    time: { seconds: 1n },
    any: { typeUrl: 'i', value: Uint8Array.of(0x0a, 0xff) },
  });
  assert.deepEqual(protobufCodec.decode(EverySchema, toBinary(EverySchema, message)), message);
});
