import { type FrameHeader, HEADER_LENGTH, MAX_MESSAGE_LENGTH } from './frame.ts';

/** What a `FrameReader` reports. `header` and, unless kept, `body` are valid only during the call. */
export interface FrameSink {
  /** A whole frame arrived: its body is `buffer` from `start` to `end`. */
  onFrame(header: Readonly<FrameHeader>, buffer: Buffer, start: number, end: number): void;
  /** A frame above the limit is announced. Its body, which is thrown away, need not have arrived. */
  onOversize(header: Readonly<FrameHeader>): void;
}

/**
 * Cuts a byte stream into frames, in place: only a frame that is split over several chunks is copied.
 *
 * It holds at most one frame and one chunk.
 */
export class FrameReader {
  readonly #sink: FrameSink;
  readonly #header: FrameHeader = { length: 0, streamId: 0, type: 0, flags: 0 };
  /** The bytes of a split header, then none. */
  readonly #partialHeader = Buffer.allocUnsafeSlow(HEADER_LENGTH);
  #partialHeaderLength = 0;
  /** The body of a split frame, as far as `#bodyLength`. */
  #body: Buffer | undefined;
  #bodyLength = 0;
  #discard = 0;
  #paused = false;
  #rest: Buffer | undefined;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Stops reporting frames, from within a report too. What was pushed and not reported is kept. */
  pause(): void {
    this.#paused = true;
  }

  /** Reports what was kept, and from now on what is pushed. */
  resume(): void {
    this.#paused = false;
    const rest = this.#rest;
    this.#rest = undefined;
    if (rest) this.push(rest);
  }

  /** Takes the next chunk, which it owns from now on. */
  push(chunk: Buffer): void {
    if (this.#paused) {
      this.#rest = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
      return;
    }
    let at = this.#finishSplitFrame(chunk);
    while (at < chunk.length) {
      if (this.#paused) {
        this.#rest = chunk.subarray(at);
        return;
      }
      if (chunk.length - at < HEADER_LENGTH) {
        this.#partialHeaderLength = chunk.copy(this.#partialHeader, 0, at);
        return;
      }
      this.#readHeader(chunk, at);
      at = this.#frame(chunk, at + HEADER_LENGTH);
    }
  }

  /** Reports the frame whose body starts at `at`, or starts to collect it. Returns the offset behind it. */
  #frame(chunk: Buffer, at: number): number {
    const { length } = this.#header;
    const end = at + length;
    if (length > MAX_MESSAGE_LENGTH) {
      this.#discard = length;
      this.#sink.onOversize(this.#header);
      return this.#skip(chunk, at);
    }
    if (end <= chunk.length) {
      this.#sink.onFrame(this.#header, chunk, at, end);
      return end;
    }
    this.#body = Buffer.allocUnsafeSlow(length);
    this.#bodyLength = chunk.copy(this.#body, 0, at);
    return chunk.length;
  }

  /** Completes what the previous chunk left open. Returns the offset where the next frame starts. */
  #finishSplitFrame(chunk: Buffer): number {
    if (this.#discard > 0) return this.#skip(chunk, 0);
    if (this.#body) return this.#fill(this.#body, chunk);
    if (this.#partialHeaderLength === 0) return 0;
    const taken = chunk.copy(this.#partialHeader, this.#partialHeaderLength, 0);
    this.#partialHeaderLength += taken;
    if (this.#partialHeaderLength < HEADER_LENGTH) return taken;
    this.#partialHeaderLength = 0;
    this.#readHeader(this.#partialHeader, 0);
    return this.#frame(chunk, taken);
  }

  #fill(body: Buffer, chunk: Buffer): number {
    const taken = chunk.copy(body, this.#bodyLength, 0);
    this.#bodyLength += taken;
    if (this.#bodyLength === body.length) {
      this.#body = undefined;
      this.#sink.onFrame(this.#header, body, 0, body.length);
    }
    return taken;
  }

  #skip(chunk: Buffer, at: number): number {
    const taken = Math.min(this.#discard, chunk.length - at);
    this.#discard -= taken;
    return at + taken;
  }

  #readHeader(buffer: Buffer, at: number): void {
    const header = this.#header;
    header.length = readUint32(buffer, at);
    header.streamId = readUint32(buffer, at + 4);
    header.type = buffer[at + 8]!;
    header.flags = buffer[at + 9]!;
  }
}

/** As `readUInt32BE()`, whose checks cost more than the rest of a small frame's way through here. */
function readUint32(buffer: Buffer, at: number): number {
  return ((buffer[at]! << 24) | (buffer[at + 1]! << 16) | (buffer[at + 2]! << 8) | buffer[at + 3]!) >>> 0;
}
