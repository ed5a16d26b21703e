import { type Duplex } from 'node:stream';
import { Socket } from 'node:net';

/**
 * The one output buffer of a connection: what a turn of the event loop sends leaves in one write.
 *
 * Write at `reserve()`d offsets of `buffer`, or `append()` large bytes without a copy.
 */
export class Output {
  /** Where reserved bytes are written. Changes with every `reserve()`. */
  buffer: Buffer = Buffer.allocUnsafeSlow(slabLength);
  readonly #stream: Duplex;
  readonly #onFlush: () => void;
  /** A socket's completed write has left the process, so its bytes may be overwritten. */
  readonly #reusable: boolean;
  #parts: Uint8Array[] = [];
  #partsLength = 0;
  #start = 0;
  #end = 0;
  #scheduled = false;
  #closed = false;

  constructor(stream: Duplex, onFlush: () => void) {
    this.#stream = stream;
    this.#onFlush = onFlush;
    this.#reusable = stream instanceof Socket;
  }

  /** Bytes that were accepted and that the kernel has not taken. */
  get queuedLength(): number {
    return this.#partsLength + this.#end - this.#start + this.#stream.writableLength;
  }

  /** Makes room for `length` bytes in `buffer` and returns their offset. They must be written at once. */
  reserve(length: number): number {
    if (this.#end + length > this.buffer.length) {
      this.#cut();
      this.buffer = Buffer.allocUnsafeSlow(Math.max(slabLength, length));
      this.#start = 0;
      this.#end = 0;
    }
    const at = this.#end;
    this.#end += length;
    if (!this.#scheduled) this.#schedule();
    return at;
  }

  /** Sends bytes as they are, behind what was reserved. They must not change any more. */
  append(bytes: Uint8Array): void {
    this.#cut();
    this.#parts.push(bytes);
    this.#partsLength += bytes.length;
  }

  /** Hands everything to the stream. */
  readonly flush = (): void => {
    this.#scheduled = false;
    if (this.#closed || this.#stream.destroyed) return;
    if (this.#parts.length === 0) {
      if (this.#end > this.#start) this.#stream.write(this.buffer.subarray(this.#start, this.#end));
    } else {
      this.#cut();
      this.#stream.cork();
      for (const part of this.#parts) this.#stream.write(part);
      this.#stream.uncork();
      this.#parts = [];
      this.#partsLength = 0;
    }
    this.#start = this.#end;
    if (this.#reusable && this.#stream.writableLength === 0) {
      this.#start = 0;
      this.#end = 0;
    }
    this.#onFlush();
  };

  /** Drops what is not yet written, and all that comes. */
  close(): void {
    this.#closed = true;
    this.#parts = [];
    this.#partsLength = 0;
    this.#start = this.#end;
  }

  /** Behind the microtasks of this turn, so that all answers of one read leave together. */
  #schedule(): void {
    this.#scheduled = true;
    queueMicrotask(this.#flushSoon);
  }

  readonly #flushSoon = (): void => {
    process.nextTick(this.flush);
  };

  #cut(): void {
    if (this.#end === this.#start) return;
    this.#parts.push(this.buffer.subarray(this.#start, this.#end));
    this.#partsLength += this.#end - this.#start;
    this.#start = this.#end;
  }
}

const slabLength = 64 << 10;
