import { type Duplex } from 'node:stream';
import { Socket } from 'node:net';

/**
 * The one output buffer of a connection: what a turn of the event loop sends leaves in one write.
 *
 * Write at `reserve()`d offsets of `buffer`, or `append()` large bytes without a copy.
 */
export class Output {
  /** Where reserved bytes are written. Changes with every `reserve()`. */
  buffer: Buffer = Buffer.allocUnsafeSlow(SLAB_LENGTH);
  readonly #stream: Duplex;
  readonly #onFlush: (error?: unknown) => void;
  /** A socket's completed write has left the process, so its bytes may be overwritten. */
  readonly #reusable: boolean;
  /** Full slabs of which parts are yet to be flushed, and those of which all is. */
  #filled: Buffer[] = [];
  readonly #flushed: Buffer[] = [];
  #parts: Uint8Array[] = [];
  #partsLength = 0;
  #start = 0;
  #end = 0;
  #written = 0;
  /** The most that the stream can hold: only a flush makes it more. */
  #streamLength = 0;
  #scheduled = false;
  #closed = false;

  /** `onFlush` is told of every write, with the error where the stream threw one. */
  constructor(stream: Duplex, onFlush: (error?: unknown) => void) {
    this.#stream = stream;
    this.#onFlush = onFlush;
    this.#reusable = stream instanceof Socket;
  }

  /** Bytes that were accepted and that the kernel has not taken. */
  get queuedLength(): number {
    this.#streamLength = this.#stream.writableLength;
    return this.#partsLength + this.#end - this.#start + this.#streamLength;
  }

  /** Whether fewer bytes are queued: `queuedLength` for every message, without asking the stream for each. */
  isBelow(length: number): boolean {
    return (
      this.#partsLength + this.#end - this.#start + this.#streamLength < length || this.queuedLength < length
    );
  }

  /** Stands for what the peer has taken so far: another value when it has taken more. */
  get taken(): string {
    // Of a write that is under way a stream knows no more than its start; the handle of a socket does.
    const { _handle: handle } = this.#stream as { _handle?: { writeQueueSize?: number } | null };
    return `${this.#written - this.#stream.writableLength} ${handle?.writeQueueSize ?? 0}`;
  }

  /** Makes room for `length` bytes in `buffer` and returns their offset. They must be written at once. */
  reserve(length: number): number {
    if (this.#end + length > this.buffer.length) {
      this.#cut();
      if (this.#reusable) this.#filled.push(this.buffer);
      this.buffer = this.#takeSlab(length);
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
    try {
      this.#write();
    } catch (error) {
      this.#onFlush(error);
      return;
    }
    this.#start = this.#end;
    this.#streamLength = this.#stream.writableLength;
    if (this.#filled.length > 0) this.#keepFilled();
    if (this.#reusable && this.#streamLength === 0) {
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
    this.#filled = [];
    this.#flushed.length = 0;
  }

  /** A new one for every burst would keep the garbage collector busier than all the rest. */
  #takeSlab(length: number): Buffer {
    if (length > SLAB_LENGTH) return Buffer.allocUnsafeSlow(length);
    const free = this.#flushed.length > 0 && this.#stream.writableLength === 0 && this.#flushed.pop();
    return free || Buffer.allocUnsafeSlow(SLAB_LENGTH);
  }

  #keepFilled(): void {
    for (const slab of this.#filled)
      if (slab.length === SLAB_LENGTH && this.#flushed.length < MAX_KEPT_SLABS) this.#flushed.push(slab);
    this.#filled = [];
  }

  #write(): void {
    if (this.#parts.length === 0) {
      if (this.#end === this.#start) return;
      this.#written += this.#end - this.#start;
      this.#stream.write(this.buffer.subarray(this.#start, this.#end));
      return;
    }
    this.#cut();
    this.#written += this.#partsLength;
    this.#stream.cork();
    for (const part of this.#parts) this.#stream.write(part);
    this.#stream.uncork();
    this.#parts = [];
    this.#partsLength = 0;
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

const SLAB_LENGTH = 64 << 10;

/** What a connection keeps for its next burst, besides the slab in use. */
const MAX_KEPT_SLABS = 4;
