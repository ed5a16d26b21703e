/** Protobuf wire types that the envelopes use. */
export const WireType = { Varint: 0, Fixed64: 1, Bytes: 2, StartGroup: 3, EndGroup: 4, Fixed32: 5 } as const;

/** Returns how many bytes a length or another unsigned number below 2^32 takes as a varint. */
export function varintLength(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  return value < 0x1000_0000 ? 4 : 5;
}

/** Writes an unsigned number below 2^32 as a varint and returns the offset behind it. */
export function writeVarint(buffer: Uint8Array, at: number, value: number): number {
  let rest = value;
  let offset = at;
  while (rest > 0x7f) {
    buffer[offset++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  buffer[offset++] = rest;
  return offset;
}

/** Reads protobuf fields from a part of a buffer; throws an `Error` where the bytes are malformed. */
export class WireReader {
  #buffer: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;

  /** Starts over on another part of a buffer. */
  reset(buffer: Uint8Array, start: number, end: number): this {
    this.#buffer = buffer;
    this.#at = start;
    this.#end = end;
    return this;
  }

  /** Whether bytes remain. */
  get more(): boolean {
    return this.#at < this.#end;
  }

  /** The offset of the next byte. */
  get at(): number {
    return this.#at;
  }

  /** Reads a field's tag: number << 3 | wire type. */
  tag(): number {
    const tag = this.varint();
    if (tag > 0xffff_ffff || tag >>> 3 === 0) throw new Error('invalid field number');
    return tag;
  }

  /** Reads a varint. Beyond 2^53 the lowest bits are lost, which only `int64()` needs. */
  varint(): number {
    if (this.#at < this.#end && this.#buffer[this.#at]! < 0x80) return this.#buffer[this.#at++]!;
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 10; count++) {
      if (this.#at >= this.#end) throw new Error('unexpected EOF');
      const byte = this.#buffer[this.#at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (count === 9 && byte > 1) throw new Error('variable length integer overflow');
        return value;
      }
      scale *= 128;
    }
    throw new Error('variable length integer overflow');
  }

  /** Reads an int64, exactly. */
  int64(): bigint {
    const start = this.#at;
    const value = this.varint();
    if (value <= Number.MAX_SAFE_INTEGER) return BigInt(value);
    let exact = 0n;
    for (let at = start, shift = 0n; at < this.#at; at++, shift += 7n) {
      exact |= BigInt(this.#buffer[at]! & 0x7f) << shift;
    }
    return BigInt.asIntN(64, exact);
  }

  /** Reads a length and steps over as many bytes. Returns the offset where they start; `at` is where they end. */
  bytes(): number {
    const length = this.varint();
    const start = this.#at;
    if (length > this.#end - start) throw new Error('unexpected EOF');
    this.#at = start + length;
    return start;
  }

  /** Reads a string; it must be valid UTF-8. */
  string(): string {
    const start = this.bytes();
    return decodeUtf8(this.#buffer.subarray(start, this.#at));
  }

  /** Steps over the field whose tag was read. */
  skip(tag: number, depth = 0): void {
    const wireType = tag & 7;
    if (wireType === WireType.Varint) this.varint();
    else if (wireType === WireType.Bytes) this.bytes();
    else if (wireType === WireType.Fixed64) this.#skip(8);
    else if (wireType === WireType.Fixed32) this.#skip(4);
    else if (wireType === WireType.StartGroup && depth < MAX_GROUP_DEPTH) this.#skipGroup(tag, depth);
    else throw new Error('invalid wire type');
  }

  #skipGroup(start: number, depth: number): void {
    for (;;) {
      const tag = this.tag();
      if ((tag & 7) === WireType.EndGroup) {
        if (tag >>> 3 !== start >>> 3) throw new Error('mismatching end group marker');
        return;
      }
      this.skip(tag, depth + 1);
    }
  }

  #skip(length: number): void {
    if (this.#end - this.#at < length) throw new Error('unexpected EOF');
    this.#at += length;
  }
}

const MAX_GROUP_DEPTH = 100;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new Error('string field contains invalid UTF-8', { cause });
  }
}
