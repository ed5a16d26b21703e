import { create, toBinary } from '@bufbuild/protobuf';
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { obtainOrSkip } from '../setup/obtain.ts';
import { connectRaw, frame, type RawPeer, request as echoRequest } from '../ttrpc-ts/fixtures/raw-peer.ts';
import { makeSocketDir } from '../ttrpc-ts/fixtures/socket-dir.ts';
import { startPeerServer } from './peer-process.ts';
import { FailureSchema, Failure_Kind as Kind } from './proto/interop_pb.ts';
import { createInteropServer } from './service.ts';

const { part: program = '', skip } = await obtainOrSkip('interop-go');

/** Sends bytes to a server of ours or of Go's, and returns as many answers as asked for, then that to a last call. */
async function ask(server: 'ours' | 'Go', frames: readonly Buffer[], count: number): Promise<string[]> {
  await using stack = new AsyncDisposableStack();
  const socket = stack.use(await makeSocketDir()).socket();
  if (server === 'ours') await stack.use(createInteropServer()).listen({ path: socket });
  else stack.use(await startPeerServer([program], socket));
  const peer = stack.use(await connectRaw(socket));
  for (const each of frames) peer.send(each);
  const answers: string[] = [];
  while (answers.length < count) answers.push(await nextAnswer(peer));
  peer.send(request(marker, { method: 'Echo' }));
  return [...answers, await nextAnswer(peer)];
}

async function nextAnswer(peer: RawPeer): Promise<string> {
  const next = await peer.next();
  return next ? `${next.streamId} ${next.type} ${next.flags} ${next.body.toString('latin1')}` : 'closed';
}

const marker = 999_999;
const request = (streamId: number, init: Parameters<typeof echoRequest>[1]): Buffer =>
  echoRequest(streamId, { service: 'ttrpc.interop.v1.InteropService', ...init });
const payload = Buffer.from([0x0a, 1, 0x61]);
const failWith = (kind: Kind): Uint8Array => toBinary(FailureSchema, create(FailureSchema, { kind }));
const raw = (hex: string): Buffer => frame(1, { body: Buffer.from(hex.replaceAll(' ', ''), 'hex') });
const names = `0a1f${Buffer.from('ttrpc.interop.v1.InteropService').toString('hex')} 1204${Buffer.from('Echo').toString('hex')}`;

/** What is sent, and how many frames answer it. */
const equal: [string, (() => Buffer)[], number][] = [
  ['an empty request', [() => frame(1, {})], 1],
  ['an even stream id', [() => request(2, { method: 'Echo' })], 1],
  ['stream id 0', [() => frame(0, {})], 1],
  ['an even stream id on an unknown type', [() => frame(2, { type: 9 })], 1],
  ['a reused stream id', [() => request(5, { method: 'Nope' }), () => request(5, { method: 'Echo' })], 2],
  ['unknown types', [() => frame(1, { type: 0 }), () => frame(1, { type: 9, body: payload })], 0],
  ['a response from a client', [() => frame(1, { type: 2 })], 0],
  ['unknown flags', [() => request(1, { method: 'Echo', payload, flags: 0xff })], 1],
  ['an unknown service', [() => echoRequest(1, { service: 'no.Such' })], 1],
  ['an unknown method', [() => request(1, { method: 'Nope' })], 1],
  [
    'a frame above 4 MiB, then its id again',
    [() => frame(1, { body: Buffer.alloc((4 << 20) + 1) }), () => request(1, { method: 'Echo', payload })],
    2,
  ],
  ['data on an unknown stream', [() => frame(1, { type: 3 })], 1],
  ['data on a finished stream', [() => request(1, { method: 'Nope' }), () => frame(1, { type: 3 })], 2],
  ['unknown fields', [() => raw(`${names} 30 05 39 0000000000000000 42 02 ffff 4b 50 01 4c 5d 00000000`)], 1],
  ['overlong varints', [() => raw(`${names} 1a 83 00 0a0161`)], 1],
  ['names behind the payload', [() => raw(`1a 03 0a0161 ${names}`)], 1],
  ['names twice, of which the last ones count', [() => raw(`0a 01 78 12 01 79 ${names} 1a 03 0a0161`)], 1],
  ['a payload twice, of which the last one counts', [() => raw(`${names} 1a 03 0a0161 1a 03 0a0162`)], 1],
  [
    'a negative timeout, with which the handler is called',
    [() => request(1, { method: 'Echo', payload, timeoutNano: -1n })],
    1,
  ],
  [
    'a negative timeout, of which the handler takes note',
    [() => request(1, { method: 'Wait', timeoutNano: -1n })],
    1,
  ],
  ['a timeout', [() => request(1, { method: 'Wait', timeoutNano: 1n })], 1],
  [
    'upper-case metadata',
    [
      () =>
        request(1, {
          method: 'Describe',
          metadata: [
            { key: 'FOO', value: '1' },
            { key: 'FOO', value: '2' },
          ],
        }),
    ],
    1,
  ],
  ['an error, without payload', [() => request(1, { method: 'Fail', payload: failWith(Kind.NIL_REPLY) })], 1],
  [
    'a stream of answers',
    [() => request(1, { method: 'Repeat', flags: 1, payload: Buffer.from([8, 2, 16, 3]) })],
    3,
  ],
  ['a stream of answers to an empty request', [() => request(1, { method: 'Repeat', flags: 1 })], 1],
  [
    'a stream of requests',
    [
      () => request(1, { method: 'Count', flags: 2 }),
      () => frame(1, { type: 3, body: payload }),
      () => frame(1, { type: 3, flags: 5 }),
    ],
    1,
  ],
  [
    'a stream of requests with a first message',
    [() => request(1, { method: 'Count', flags: 2, payload }), () => frame(1, { type: 3, flags: 5 })],
    1,
  ],
  [
    'the end of a stream without its flag',
    [() => request(1, { method: 'Count', flags: 2 }), () => frame(1, { type: 3, flags: 1 })],
    1,
  ],
  [
    'a stream both ways',
    [
      () => request(1, { method: 'Chat', flags: 2 }),
      () => frame(1, { type: 3, body: payload }),
      () => frame(1, { type: 3, flags: 5 }),
    ],
    2,
  ],
];

describe('frames', { skip }, () => {
  for (const [name, frames, count] of equal) {
    test(`our server answers ${name} with the bytes of Go's`, async () => {
      const sent = frames.map((make) => make());
      const [ours, go] = await Promise.all([ask('ours', sent, count), ask('Go', sent, count)]);
      assert.deepEqual(ours, go);
    });
  }

  const alike: [string, Buffer, number, string][] = [
    ['a malformed request', frame(1, { body: Buffer.from([0x0a, 0xff]) }), 3, 'unmarshal request error: '],
    [
      'invalid UTF-8 in a request',
      frame(1, { body: Buffer.from([0x0a, 1, 0xff]) }),
      3,
      'unmarshal request error: ',
    ],
    [
      'a malformed payload',
      request(1, { method: 'Echo', payload: Buffer.from([0x0a, 9]) }),
      13,
      'ttrpc: error unmarshalling payload: ',
    ],
    [
      'invalid UTF-8 in a payload',
      request(1, { method: 'Fail', payload: Buffer.from([0x1a, 1, 0xff]) }),
      13,
      'ttrpc: error unmarshalling payload: ',
    ],
  ];
  for (const [name, bytes, code, words] of alike) {
    test(`our server answers ${name} with the code and the words of Go's`, async () => {
      for (const server of ['ours', 'Go'] as const) {
        const [answer = ''] = await ask(server, [bytes], 1);
        assert.ok(answer.includes(String.fromCharCode(8, code, 18)), answer);
        assert.ok(answer.includes(words), answer);
      }
    });
  }

  test('a stream id that arrives out of order, as with the Rust client, is answered by our server and refused by Go', async () => {
    const frames = [
      request(5, { method: 'Echo' }),
      request(3, { method: 'Echo' }),
      request(3, { method: 'Echo' }),
    ];
    const answers = await Promise.all([ask('ours', frames, 3), ask('Go', frames, 3)]);
    // A refusal may overtake an answer.
    const [ours, go] = answers.map((each) => each.slice(0, 3).toSorted());
    const refused = go![0]!;
    assert.match(refused, /^3 2 0 .*StreamID cannot be re-used and must increment$/s);
    assert.deepEqual(go, [refused, refused, '5 2 0 ']);
    assert.deepEqual(ours, ['3 2 0 ', refused, '5 2 0 ']);
  });

  test('a frame of data on an active unary call ends a Go server and not ours', async () => {
    const frames = [request(1, { method: 'Wait' }), frame(1, { type: 3, body: payload })];
    const ours = await ask('ours', frames, 1);
    assert.match(ours[0]!, /^1 2 0 .*data handling error: ttrpc: stream closed$/s);
    assert.equal(ours[1], `${marker} 2 0 `);
  });
});
