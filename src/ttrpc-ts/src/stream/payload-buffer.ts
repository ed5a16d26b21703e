/** Payloads in the order of their arrival. */
export class PayloadBuffer {
  #payloads: (Uint8Array | undefined)[] = [];
  #first = 0;
  #bytes = 0;
  /** From this index on, payloads are views of what was read from the connection. */
  #firstView = 0;
  #lastRead: Uint8Array | undefined;
  #readBytes = 0;

  /** How many there are. */
  get length(): number {
    return this.#payloads.length - this.#first;
  }

  /** The sum of their lengths. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds a payload, a view of what was `read`. */
  push(payload: Uint8Array, read: Uint8Array): void {
    this.#payloads.push(payload);
    this.#bytes += payload.length;
    if (read === this.#lastRead) return;
    this.#lastRead = read;
    this.#readBytes += read.buffer.byteLength;
    if (this.#readBytes > MAX_READ_BYTES && this.#readBytes > 2 * this.#bytes) this.#copyViews();
  }

  /** Takes the first payload. There has to be one. */
  shift(): Uint8Array {
    const payload = this.#payloads[this.#first]!;
    this.#payloads[this.#first] = undefined;
    this.#first++;
    this.#bytes -= payload.length;
    if (this.#first === this.#payloads.length) this.clear();
    else if (this.#first >= COMPACT_AT) this.#compact();
    return payload;
  }

  clear(): void {
    this.#payloads = [];
    this.#first = 0;
    this.#bytes = 0;
    this.#firstView = 0;
    this.#lastRead = undefined;
    this.#readBytes = 0;
  }

  /** A small view keeps all of the read alive that it is a part of. */
  #copyViews(): void {
    const from = Math.max(this.#first, this.#firstView);
    const copy = Buffer.concat(this.#payloads.slice(from) as Uint8Array[]);
    let at = 0;
    for (let index = from; index < this.#payloads.length; index++) {
      const { length } = this.#payloads[index]!;
      this.#payloads[index] = new Uint8Array(copy.buffer, copy.byteOffset + at, length);
      at += length;
    }
    this.#firstView = this.#payloads.length;
    this.#lastRead = undefined;
    this.#readBytes = 0;
  }

  #compact(): void {
    this.#payloads = this.#payloads.slice(this.#first);
    this.#firstView = Math.max(0, this.#firstView - this.#first);
    this.#first = 0;
  }
}

/** Reads that views may keep alive before it is asked whether copies would take less. */
const MAX_READ_BYTES = 1 << 20;

/** Consumed entries are given back in strides, not one by one. */
const COMPACT_AT = 1024;
