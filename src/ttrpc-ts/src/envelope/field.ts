import { varintLength, writeVarint } from './wire.ts';

/** Encodes a length-delimited field. An empty one is left out, as proto3 has it, unless asked for. */
export function encodeField(tag: number, bytes: Uint8Array, options?: { evenIfEmpty: boolean }): Uint8Array {
  if (bytes.length === 0 && !options?.evenIfEmpty) return bytes;
  const field = new Uint8Array(1 + varintLength(bytes.length) + bytes.length);
  field[0] = tag;
  field.set(bytes, writeVarint(field, 1, bytes.length));
  return field;
}

/** Encodes an int64 as a varint: a negative one takes ten bytes. */
export function encodeInt64(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}
