import { create, type DescField, type DescMessage, type Message, toBinary } from '@bufbuild/protobuf';
import { compileField } from './encode-field.ts';
import type { Encoder, Fields } from './encode-value.ts';

/**
 * Encodes a message, or what initialises one, as `toBinary()` does, several times faster: measured first and
 * then written once, where `toBinary()` allocates 512 bytes, grows by doubling, and copies.
 *
 * What it does not know, and what it finds wrong, it leaves to `toBinary()`.
 */
export function encodeMessage(schema: DescMessage, init: unknown): Uint8Array {
  const message: Message & Fields = create(schema, init as Record<string, unknown>);
  const encoder = messageEncoder(schema);
  const lengths: number[] = [];
  const length = encoder.size(message, lengths);
  // Not a number: some field is not to be encoded here.
  if (Number.isNaN(length)) return toBinary(schema, message);
  const { buffer, at } = allocate(length);
  encoder.write(message, { buffer, at, lengths, nextLength: 0 });
  // A plain view takes half the time of a `Buffer`.
  return new Uint8Array(buffer.buffer, at, length);
}

/** Finds room, for what is small in a larger buffer: to allocate each on its own costs more than to encode into it. */
function allocate(length: number): { buffer: Buffer; at: number } {
  if (length > POOLED_LENGTH) return { buffer: Buffer.allocUnsafeSlow(length), at: 0 };
  if (poolUsed + length > pool.length) {
    pool = Buffer.allocUnsafeSlow(POOL_LENGTH);
    poolUsed = 0;
  }
  poolUsed += length;
  return { buffer: pool, at: poolUsed - length };
}

const POOLED_LENGTH = 16 << 10;
const POOL_LENGTH = 64 << 10;
let pool = Buffer.allocUnsafeSlow(POOL_LENGTH);
let poolUsed = 0;

/** Returns the encoder of a message type, made when it is first asked for. */
export function messageEncoder(schema: DescMessage): Encoder {
  let encoder = encoders.get(schema);
  if (encoder === undefined) {
    const fields: Encoder[] = [];
    encoder = makeEncoder(schema.typeName, fields);
    // Known before its fields are compiled, which may be of its own type.
    encoders.set(schema, encoder);
    for (const field of schema.fields.toSorted(byNumber)) fields.push(compileField(field, messageEncoder));
  }
  return encoder;
}

const encoders = new WeakMap<DescMessage, Encoder>();

function makeEncoder(typeName: string, fields: readonly Encoder[]): Encoder {
  return {
    size(message, lengths) {
      if (message['$typeName'] !== typeName || message['$unknown'] !== undefined) return Number.NaN;
      let length = 0;
      for (let index = 0; index < fields.length; index++) length += fields[index]!.size(message, lengths);
      return length;
    },
    write(message, sink) {
      for (let index = 0; index < fields.length; index++) fields[index]!.write(message, sink);
    },
  };
}

function byNumber(a: DescField, b: DescField): number {
  return a.number - b.number;
}
