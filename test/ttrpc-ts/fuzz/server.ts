import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import assert from 'node:assert/strict';
import {
  EchoRequestSchema,
  EchoService,
  RepeatRequestSchema,
} from '../../../src/ttrpc-ts/examples/echo_pb.ts';
import type { EchoImpl } from '../fixtures/echo.ts';
import { connectRaw, frame, type RawPeer, request } from '../fixtures/raw-peer.ts';
import { ResponseSchema } from '../proto/envelope_pb.ts';
import { mutate } from './mutate.ts';
import type { Random } from './random.ts';

/** What a fuzzed server serves: it must not be talked into endless answers. */
export const fuzzedImpl: EchoImpl = {
  async *repeat({ message, count }) {
    for (let index = 0; index < Math.min(count, 16); index++) yield { message };
  },
};

/** Sends so many frames to a server over one connection, then a good call that must be answered. */
export async function fuzzServer(path: string, count: number, random: Random): Promise<void> {
  using peer = await connectRaw(path);
  if (random.oneIn(5)) return sendGarbage(peer, count, random);
  const ids = { last: -1 };
  const frames: Buffer[] = [];
  for (let index = 0; index < count; index++) frames.push(makeFrame(ids, random));
  const last = ids.last + 2;
  frames.push(request(last, { method: 'Echo', payload: Buffer.from([0x0a, 2, 0x6f, 0x6b]) }));
  sendInPieces(peer, Buffer.concat(frames), random);
  for (let next = await peer.next(); ; next = await peer.next()) {
    assert.ok(next, 'the server closed the connection');
    if (next.streamId !== last || next.type !== 2) continue;
    const answer = fromBinary(ResponseSchema, next.body);
    if (answer.status?.code === undefined)
      assert.deepEqual(Buffer.from(answer.payload), Buffer.from([0x0a, 2, 0x6f, 0x6b]));
    else assert.fail(`the good call got ${answer.status.code} ${answer.status.message}`);
    return;
  }
}

/** Bytes that are no frames: the connection need not survive, all else must. */
async function sendGarbage(peer: RawPeer, count: number, random: Random): Promise<void> {
  const frames: Buffer[] = [];
  const ids = { last: -1 };
  for (let index = 0; index < count; index++) frames.push(mutate(makeFrame(ids, random), random));
  sendInPieces(peer, Buffer.concat(frames), random);
  await new Promise<void>((resolve) => peer.socket.end(() => resolve()));
}

function sendInPieces(peer: RawPeer, bytes: Buffer, random: Random): void {
  for (let at = 0; at < bytes.length;) {
    const length = random.oneIn(4) ? random.below(20) + 1 : random.below(20_000) + 1;
    peer.send(bytes.subarray(at, at + length));
    at += length;
  }
}

function makeFrame(ids: { last: number }, random: Random): Buffer {
  const isRequest = random.below(10) < 6;
  const isNext = isRequest && !random.oneIn(10);
  const streamId = isNext ? ids.last + 2 * random.below(3) + 2 : random.below(ids.last + 2);
  const type = isRequest ? 1 : random.pick([3, 3, 3, 2, 0, random.below(256)]);
  if (type === 1 && streamId % 2 === 1 && streamId > ids.last) ids.last = streamId;
  const flags = random.oneIn(3) ? random.below(256) : random.pick([0, 1, 2, 4, 5, 6]);
  return frame(streamId, { type, flags, body: type === 1 ? makeRequest(random) : makePayload(random) });
}

function makeRequest(random: Random): Buffer {
  if (random.oneIn(8)) return random.bytes(random.below(60));
  const { name } = random.pick(EchoService.methods);
  const metadata = random.oneIn(4) ? [{ key: 'key', value: 'value' }] : [];
  const timeoutNano = random.oneIn(4) ? BigInt(random.below(2 ** 31)) - 2n ** 28n : 0n;
  const body = request(1, { method: name, payload: makePayload(random), metadata, timeoutNano }).subarray(10);
  return random.oneIn(2) ? mutate(body, random) : body;
}

function makePayload(random: Random): Buffer {
  const message = 'x'.repeat(random.below(random.oneIn(50) ? 5000 : 30));
  const count = random.below(20);
  const good = random.oneIn(2)
    ? toBinary(EchoRequestSchema, create(EchoRequestSchema, { message }))
    : toBinary(RepeatRequestSchema, create(RepeatRequestSchema, { message, count }));
  return random.oneIn(2) ? mutate(Buffer.from(good), random) : Buffer.from(good);
}
