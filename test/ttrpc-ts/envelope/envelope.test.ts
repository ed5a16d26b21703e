import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import assert from 'node:assert/strict';
import { Duplex, PassThrough } from 'node:stream';
import test from 'node:test';
import { Code, Metadata, StatusError } from 'ttrpc-ts';
import { Output } from '../../../src/ttrpc-ts/src/channel/output.ts';
import { encodeRoute, encodeTail, writeRequest } from '../../../src/ttrpc-ts/src/envelope/request.ts';
import { RequestReader } from '../../../src/ttrpc-ts/src/envelope/request-reader.ts';
import { readResponse, writeResponse, writeStatus } from '../../../src/ttrpc-ts/src/envelope/response.ts';
import { RequestSchema, ResponseSchema } from '../proto/envelope_pb.ts';

/** What is written to an output, without the frame's header. */
function written(write: (output: Output) => void): Buffer {
  const chunks: Buffer[] = [];
  const stream = new Duplex({
    write: (chunk: Buffer, _, done) => {
      chunks.push(chunk);
      done();
    },
    writev: (parts, done) => {
      chunks.push(...parts.map(({ chunk }) => chunk as Buffer));
      done();
    },
  });
  const output = new Output(stream, () => {});
  write(output);
  output.flush();
  return Buffer.concat(chunks).subarray(10);
}

const reader = new RequestReader({
  match: () => undefined,
  find: (service, method) => `${service}/${method}`,
});
const read = (bytes: Uint8Array): ReturnType<typeof reader.read> => reader.read(bytes, 0, bytes.length);

const sizes = [0, 1, 100, 127, 128, 16_383, 16_384, 16_385, 70_000, 1 << 20, 3 << 20];
const timeouts = [0n, 1n, 127n, 128n, 1_500_000_000n, -1n, -(2n ** 63n), 2n ** 63n - 1n, 2n ** 53n + 1n];

for (const size of sizes) {
  test(`writeRequest() writes what protobuf writes, with a payload of ${size} bytes`, () => {
    const payload = Buffer.alloc(size, 7);
    for (const timeoutNano of timeouts) {
      const metadata = new Metadata({ one: 'eins', two: ['', 'zwei ü'] });
      const route = encodeRoute('a.Service', 'Method');
      const frame = { streamId: 1, flags: 0, route, payload, tail: encodeTail(timeoutNano, metadata) };
      const bytes = written((output) => writeRequest(output, frame));
      const pairs = [...metadata].map(([key, value]) => ({ key, value }));
      const init = { service: 'a.Service', method: 'Method', payload, timeoutNano, metadata: pairs };
      assert.ok(bytes.equals(toBinary(RequestSchema, create(RequestSchema, init))));
      const request = read(bytes);
      assert.equal(request.route, 'a.Service/Method');
      assert.equal(request.timeoutNano, timeoutNano);
      assert.deepEqual(request.metadata, [...metadata]);
      assert.ok(bytes.subarray(request.payloadStart, request.payloadEnd).equals(payload));
    }
  });

  test(`writeResponse() writes what protobuf writes, with a payload of ${size} bytes`, () => {
    const payload = Buffer.alloc(size, 7);
    const bytes = written((output) => writeResponse(output, 1, payload));
    assert.ok(bytes.equals(toBinary(ResponseSchema, create(ResponseSchema, { payload }))));
    const { start, end } = readResponse(bytes, 0, bytes.length);
    assert.ok(bytes.subarray(start, end).equals(payload));
  });
}

test('writeStatus() writes what protobuf writes, details included', () => {
  const details = [
    { $typeName: 'google.protobuf.Any' as const, typeUrl: 'type.example/A', value: new Uint8Array([1, 2]) },
    { $typeName: 'google.protobuf.Any' as const, typeUrl: '', value: new Uint8Array(0) },
  ];
  const error = new StatusError(Code.NotFound, 'nicht da: ü', { details });
  const bytes = written((output) => writeStatus(output, 1, error));
  const status = { code: 5, message: 'nicht da: ü', details };
  assert.ok(bytes.equals(toBinary(ResponseSchema, create(ResponseSchema, { status }))));
  assert.throws(
    () => readResponse(bytes, 0, bytes.length),
    (thrown: StatusError) => {
      assert.equal(thrown.code, Code.NotFound);
      assert.equal(thrown.message, 'nicht da: ü');
      assert.deepEqual(thrown.details, details);
      return true;
    },
  );
});

test('writeStatus() cuts a status that is too large to its code', () => {
  const error = new StatusError(Code.NotFound, 'x'.repeat(5 << 20));
  const bytes = written((output) => writeStatus(output, 1, error));
  const { status } = fromBinary(ResponseSchema, bytes);
  assert.equal(status?.code, Code.NotFound);
  assert.equal(status.message, 'The status of this call is malformed or too large');
});

test('writeRequest() refuses more than 4 MiB and writes nothing', () => {
  const stream = new PassThrough();
  const output = new Output(stream, () => {});
  const route = encodeRoute('s', 'm');
  const payload = Buffer.alloc(4 << 20);
  assert.throws(() => writeRequest(output, { streamId: 1, flags: 0, route, payload, tail: undefined }), {
    code: Code.ResourceExhausted,
    message: `message length ${(4 << 20) + 11} exceed maximum message size of 4194304`,
  });
  assert.equal(output.queuedLength, 0);
});

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

const accepted: [string, string][] = [
  ['fields in any order', '1a 01 aa 12 01 6d 0a 01 73'],
  [
    'unknown fields of every wire type',
    '30 05 39 0000000000000000 42 02 ffff 4b 50 01 4c 5d 00000000 0a 01 73 12 01 6d 1a 01 aa',
  ],
  ['overlong varints', '8a 00 81 8080 00 73 12 81 00 6d 1a 81 00 aa'],
  ['a repeated field, of which the last one counts', '0a 01 78 12 01 6d 1a 01 bb 0a 01 73 1a 01 aa'],
  ['a known field of another wire type as unknown', '0a 01 73 12 01 6d 18 05 1a 01 aa'],
];

for (const [name, bytes] of accepted) {
  test(`RequestReader.read() accepts ${name}`, () => {
    const buffer = hex(bytes);
    const byBytes = new RequestReader({
      match: () => 'wrong',
      find: (service, method) => `${service}/${method}`,
    });
    for (const request of [
      read(buffer),
      bytes.startsWith('0a 01 78') ? byBytes.read(buffer, 0, buffer.length) : read(buffer),
    ]) {
      assert.equal(request.route, 's/m');
      assert.deepEqual(buffer.subarray(request.payloadStart, request.payloadEnd), hex('aa'));
    }
  });
}

const refused: [string, string, string][] = [
  ['a truncated length', '0a', 'unexpected EOF'],
  ['a length beyond the end', '0a 05 73', 'unexpected EOF'],
  ['a field number of zero', '02 00', 'invalid field number'],
  ['an end of a group that did not start', '0c', 'invalid wire type'],
  ['a wire type that does not exist', '0e', 'invalid wire type'],
  ['a group that ends as another', '4b 54', 'mismatching end group marker'],
  ['a varint of eleven bytes', '20 80808080808080808080 01', 'variable length integer overflow'],
  ['a varint above 64 bits', '20 ffffffffffffffffff 02', 'variable length integer overflow'],
  ['invalid UTF-8 in a name', '0a 01 ff', 'string field contains invalid UTF-8'],
  ['invalid UTF-8 in metadata', '2a 03 0a 01 ff', 'string field contains invalid UTF-8'],
  ['groups nested without end', '4b'.repeat(200), 'invalid wire type'],
];

for (const [name, bytes, message] of refused) {
  test(`RequestReader.read() refuses ${name}`, () => {
    assert.throws(() => read(hex(bytes)), { message });
  });
}

test('RequestReader.read() refuses more than 1024 pairs of metadata', () => {
  const names = encodeRoute('a.Service', 'Method');
  const pairs = (count: number): Buffer => Buffer.concat([names, Buffer.alloc(2 * count, '2a00', 'hex')]);
  assert.equal(read(pairs(1024)).metadata?.length, 1024);
  const message = 'The request has more than 1024 pairs of metadata';
  for (const count of [1025, 2 << 20]) {
    assert.throws(() => read(pairs(count)), { code: Code.ResourceExhausted, message });
  }
});

test('readResponse() keeps the code and the message of a status with more than 1024 details', () => {
  const status = Buffer.concat([Buffer.from([0x08, 5, 0x12, 1, 0x61]), Buffer.alloc(1 << 20, '1a00', 'hex')]);
  const length = [(status.length & 0x7f) | 0x80, ((status.length >> 7) & 0x7f) | 0x80, status.length >> 14];
  const bytes = Buffer.concat([Buffer.from([0x0a, ...length]), status]);
  assert.throws(
    () => readResponse(bytes, 0, bytes.length),
    (error: StatusError) => {
      assert.deepEqual([error.code, error.message, error.details.length], [Code.NotFound, 'a', 1024]);
      return true;
    },
  );
});
