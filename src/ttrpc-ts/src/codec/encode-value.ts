import { ScalarType } from '@bufbuild/protobuf';
import { varintLength, writeVarint } from '../envelope/wire.ts';

/** Where a message is written, with the lengths that measuring it found, in the same order. */
export interface Sink {
  readonly buffer: Buffer;
  at: number;
  readonly lengths: readonly number[];
  nextLength: number;
}

/** A message's properties. */
export type Fields = Readonly<Record<string, unknown>>;

/** Encodes messages of one type, or one field of them if it is set. */
export interface Encoder {
  /** Returns the bytes that it takes, or NaN. Adds to `lengths` what `write()` would have to find out again. */
  size(message: Fields, lengths: number[]): number;
  write(message: Fields, sink: Sink): void;
}

/** Encodes the values of one type, without their tag. */
export interface ValueEncoder {
  readonly wireType: number;
  isZero(value: unknown): boolean;
  /** Returns the bytes that a value takes, or NaN for one that is not of the type. */
  size(value: unknown, lengths: number[]): number;
  write(value: unknown, sink: Sink): void;
}

/** Encoders by scalar type. Types that are not here are left to the library. */
export const scalarEncoders: ReadonlyMap<ScalarType, ValueEncoder> = new Map([
  [ScalarType.STRING, stringEncoder()],
  [ScalarType.BYTES, bytesEncoder()],
  [ScalarType.BOOL, boolEncoder()],
  [ScalarType.INT32, int32Encoder()],
  [ScalarType.UINT32, uint32Encoder()],
  [ScalarType.INT64, int64Encoder(-(2n ** 63n), 2n ** 63n - 1n)],
  [ScalarType.UINT64, int64Encoder(0n, 2n ** 64n - 1n)],
]);

function stringEncoder(): ValueEncoder {
  return {
    wireType: 2,
    isZero: (value) => value === '',
    size(value, lengths) {
      if (typeof value !== 'string') return Number.NaN;
      const length = Buffer.byteLength(value);
      lengths.push(length);
      return varintLength(length) + length;
    },
    write(value, sink) {
      const length = sink.lengths[sink.nextLength++]!;
      const at = writeVarint(sink.buffer, sink.at, length);
      sink.buffer.write(value as string, at, length, 'utf8');
      sink.at = at + length;
    },
  };
}

function bytesEncoder(): ValueEncoder {
  return {
    wireType: 2,
    isZero: (value) => value instanceof Uint8Array && value.length === 0,
    size: (value) => (value instanceof Uint8Array ? varintLength(value.length) + value.length : Number.NaN),
    write(value, sink) {
      const bytes = value as Uint8Array;
      const at = writeVarint(sink.buffer, sink.at, bytes.length);
      sink.buffer.set(bytes, at);
      sink.at = at + bytes.length;
    },
  };
}

function boolEncoder(): ValueEncoder {
  return {
    wireType: 0,
    isZero: (value) => value === false,
    size: (value) => (typeof value === 'boolean' ? 1 : Number.NaN),
    write: (value, sink) => void (sink.buffer[sink.at++] = value === true ? 1 : 0),
  };
}

function int32Encoder(): ValueEncoder {
  return {
    wireType: 0,
    isZero: (value) => value === 0,
    size(value) {
      if (typeof value !== 'number' || (value | 0) !== value) return Number.NaN;
      return value < 0 ? 10 : varintLength(value);
    },
    write(value, sink) {
      if ((value as number) < 0) writeVarint64(sink, BigInt(value as number));
      else sink.at = writeVarint(sink.buffer, sink.at, value as number);
    },
  };
}

function uint32Encoder(): ValueEncoder {
  return {
    wireType: 0,
    isZero: (value) => value === 0,
    size: (value) => (typeof value === 'number' && value >>> 0 === value ? varintLength(value) : Number.NaN),
    write: (value, sink) => void (sink.at = writeVarint(sink.buffer, sink.at, value as number)),
  };
}

function int64Encoder(least: bigint, most: bigint): ValueEncoder {
  return {
    wireType: 0,
    isZero: (value) => value === 0n,
    size(value) {
      if (typeof value !== 'bigint' || value < least || value > most) return Number.NaN;
      let length = 1;
      for (let rest = BigInt.asUintN(64, value); rest > 0x7fn; rest >>= 7n) length++;
      return length;
    },
    write: (value, sink) => writeVarint64(sink, value as bigint),
  };
}

function writeVarint64(sink: Sink, value: bigint): void {
  let rest = BigInt.asUintN(64, value);
  for (; rest > 0x7fn; rest >>= 7n) sink.buffer[sink.at++] = Number(rest & 0x7fn) | 0x80;
  sink.buffer[sink.at++] = Number(rest);
}
