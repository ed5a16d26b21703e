import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { file_google_protobuf_descriptor, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import assert from 'node:assert/strict';
import test from 'node:test';
import { encodeMessage } from '../../../src/ttrpc-ts/src/codec/encode.ts';
import { makeRandom, type Random } from '../fuzz/random.ts';
import { EverySchema } from '../proto/every_pb.ts';
import { HasGroupSchema } from '../proto/group_pb.ts';

type EveryInit = MessageInitShape<typeof EverySchema>;

/** Asserts that both encoders write the same bytes. */
function assertSame(init: EveryInit): void {
  const message = create(EverySchema, init);
  assert.deepEqual(
    Buffer.from(encodeMessage(EverySchema, message)),
    Buffer.from(toBinary(EverySchema, message)),
  );
}

const values: { [Name in keyof EveryInit]-?: EveryInit[Name][] } = {
  $typeName: [],
  text: ['', 'a', 'ü€😀', '\ud800', 'x'.repeat(127), 'x'.repeat(128), 'é'.repeat(9000)],
  data: [new Uint8Array(0), new Uint8Array([0]), new Uint8Array(128), new Uint8Array(70_000).fill(7)],
  flag: [false, true],
  int32: [0, -0, 1, 127, 128, 16_384, 2_097_152, 268_435_456, 2 ** 31 - 1, -1, -(2 ** 31)],
  uint32: [0, -0, 1, 128, 2 ** 31, 2 ** 32 - 1],
  int64: [0n, 1n, 127n, 128n, 2n ** 53n, 2n ** 63n - 1n, -1n, -(2n ** 63n)],
  uint64: [0n, 1n, 2n ** 64n - 1n],
  color: [0, 1, -1, 99 as never],
  nested: [undefined, {}, { nested: { nested: { text: 'deep' } } }, { text: 'x'.repeat(200) }],
  optionalText: [undefined, '', 'a'],
  optionalInt32: [undefined, 0, -5],
  optionalColor: [undefined, 0, 1],
  texts: [[], [''], ['a', '', 'ü'.repeat(100)]],
  datas: [[], [new Uint8Array(0)], [new Uint8Array([1]), new Uint8Array(300)]],
  many: [[], [{}], [{ text: 'a' }, {}, { many: [{ flag: true }] }]],
  labels: [{}, { '': '' }, { a: 'b', ü: 'x'.repeat(200) }],
  byName: [{}, { a: {} }, { a: { text: 'x' }, b: { labels: { c: 'd' } } }],
  choice: [
    { case: 'choiceText', value: '' },
    { case: 'choiceMessage', value: { text: 'a' } },
    { case: 'choiceNumber', value: 0 },
  ],
  time: [undefined, {}, { seconds: 1_700_000_000n, nanos: 5 }, { seconds: -1n }],
  any: [undefined, { typeUrl: 'type.example/A', value: new Uint8Array([1, 2]) }],
  double: [0, 1.5, -0, Number.NaN],
  sint64: [0n, -5n],
  fixed32: [0, 7],
  numbers: [[], [1, 2, 3]],
  byNumber: [{}, { 1: 'a' }],
  wrapped: [undefined, '', 'a'],
  struct: [undefined, { a: [1, 'b', null] }],
  otherChoice: [
    { case: 'choiceFloat', value: 0 },
    { case: 'choiceWrapped', value: { value: 'a' } },
  ],
};

for (const [name, of] of Object.entries(values)) {
  if (of.length === 0) continue;
  test(`encodeMessage() writes what toBinary() writes for the field ${name}`, () => {
    for (const value of of) assertSame({ [name]: value });
  });
}

/** A message with fields picked at random, to some depth. */
function makeInit(random: Random, depth: number): EveryInit {
  const init: Record<string, unknown> = {};
  for (const [name, of] of Object.entries(values)) {
    if (of.length > 0 && random.oneIn(4)) init[name] = random.pick<unknown>(of);
  }
  if (depth > 0 && random.oneIn(2)) init['nested'] = makeInit(random, depth - 1);
  if (depth > 0 && random.oneIn(2)) init['many'] = [makeInit(random, depth - 1), makeInit(random, depth - 1)];
  if (depth > 0 && random.oneIn(2)) init['byName'] = { a: makeInit(random, depth - 1) };
  return init;
}

test('encodeMessage() writes what toBinary() writes for random messages', () => {
  const random = makeRandom(1);
  for (let count = 0; count < 2000; count++) assertSame(makeInit(random, 3));
});

test('encodeMessage() writes what toBinary() writes for a large proto2 message', () => {
  const { proto } = file_google_protobuf_descriptor;
  const expected = Buffer.from(toBinary(FileDescriptorProtoSchema, proto));
  assert.deepEqual(Buffer.from(encodeMessage(FileDescriptorProtoSchema, proto)), expected);
});

test('encodeMessage() leaves groups to toBinary(), and defaults of proto2 unset', () => {
  for (const init of [
    {},
    { part: {} },
    { part: { text: 'a' } },
    { withDefault: 'set' },
    { withDefault: '' },
  ]) {
    const message = create(HasGroupSchema, init);
    const expected = Buffer.from(toBinary(HasGroupSchema, message));
    assert.deepEqual(Buffer.from(encodeMessage(HasGroupSchema, message)), expected);
  }
});

test('encodeMessage() keeps unknown fields', () => {
  const bytes = Buffer.from('0a016182ff0101aa', 'hex');
  const message = fromBinary(
    EverySchema,
    Buffer.concat([bytes.subarray(0, 3), Buffer.from('fa7f0161', 'hex')]),
  );
  assert.ok(message.$unknown);
  assertSame({ nested: message });
  assertSame(message);
});

const wrong: EveryInit[] = [
  { int32: 2 ** 31 },
  { uint32: -1 },
  { int64: 2n ** 63n },
  { uint64: -1n },
  { nested: { int32: 1.5 } },
  { data: 'text' as never },
];

test('encodeMessage() throws what toBinary() throws for a value that is not of its type', () => {
  for (const init of wrong) {
    const message = create(EverySchema, init);
    let expected: unknown;
    try {
      toBinary(EverySchema, message);
    } catch (error) {
      expected = error;
    }
    assert.ok(expected instanceof Error);
    assert.throws(() => encodeMessage(EverySchema, message), { message: expected.message });
  }
});
