import { create, toBinary } from '@bufbuild/protobuf';
import assert from 'node:assert/strict';
import { collect, messages } from '../fixtures/echo.ts';
import { frame, type RawPeer } from '../fixtures/raw-peer.ts';
import { startRawServer } from '../fixtures/raw-server.ts';
import { ResponseSchema } from '../proto/envelope_pb.ts';
import { mutate } from './mutate.ts';
import type { Random } from './random.ts';

/** Answers a client's calls with so many frames, then a good call with a good answer, which must arrive. */
export async function fuzzClient(count: number, random: Random): Promise<void> {
  await using server = await startRawServer({ streamStallTimeoutMs: 50 });
  const { client, peer } = server;
  const calls: Promise<unknown>[] = [];
  for (let index = 0; index < 10; index++) {
    calls.push(client.echo({ message: 'a' }), client.join(messages('a', 'b')));
    calls.push(collect(client.repeat({ count: 2 })), collect(client.chat(messages('a', 'b'))));
  }
  const settled = Promise.allSettled(calls);
  const good = client.echo({ message: 'good' });
  const goodId = calls.length * 2 + 1;
  await readUntil(peer, goodId);
  const frames: Buffer[] = [];
  for (let index = 0; index < count; index++) frames.push(makeFrame(goodId, random));
  const body = toBinary(
    ResponseSchema,
    create(ResponseSchema, { payload: Buffer.from([0x0a, 2, 0x6f, 0x6b]) }),
  );
  frames.push(frame(goodId, { type: 2, body }));
  peer.send(Buffer.concat(frames));
  assert.equal((await good).message, 'ok');
  if (random.oneIn(5)) for (const each of frames) peer.send(mutate(each, random));
  peer.socket.end();
  await server.transport.closed;
  await settled;
}

async function readUntil(peer: RawPeer, streamId: number): Promise<void> {
  for (let each = await peer.next(); each?.streamId !== streamId; each = await peer.next()) assert.ok(each);
}

function makeFrame(goodId: number, random: Random): Buffer {
  // Any stream but the good one.
  const streamId = random.oneIn(10) ? goodId + 1 + random.below(2 ** 31) : random.below(goodId);
  const type = random.pick([2, 2, 3, 3, 3, 1, random.below(256)]);
  const flags = random.oneIn(3) ? random.below(256) : random.pick([0, 1, 4, 5]);
  return frame(streamId, { type, flags, body: makeBody(type, random) });
}

function makeBody(type: number, random: Random): Buffer {
  if (random.oneIn(8)) return random.bytes(random.below(60));
  const payload = Buffer.from([0x0a, 2, 0x6f, 0x6b]);
  const status = random.oneIn(2) ? { code: random.below(20), message: 'fuzzed' } : {};
  const response = Buffer.from(toBinary(ResponseSchema, create(ResponseSchema, { payload, status })));
  const good = type === 2 ? response : payload;
  return random.oneIn(2) ? mutate(good, random) : good;
}
