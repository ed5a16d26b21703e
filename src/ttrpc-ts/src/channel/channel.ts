import { type Duplex } from 'node:stream';
import { Code } from '../code.ts';
import type { Limits } from '../limits.ts';
import { StatusError } from '../status-error.ts';
import { FrameReader, type FrameSink } from './frame-reader.ts';
import { Output } from './output.ts';

/** What a `Channel` reports: its frames, and once its end. */
export interface ChannelSink extends FrameSink {
  /** The connection is gone. `reason` says why. */
  onClose(reason: StatusError): void;
}

/**
 * One connection: frames in, one output buffer out.
 *
 * It owns the stream and every listener on it. Whatever goes wrong ends in `onClose`, never in a thrown error.
 */
export class Channel {
  readonly output: Output;
  /** Settles when the stream is closed. */
  readonly closed: Promise<StatusError>;
  readonly #stream: Duplex;
  readonly #sink: ChannelSink;
  readonly #highWaterMark: number;
  readonly #maxQueuedBytes: number;
  readonly #reader: FrameReader;
  readonly #resolveClosed: (reason: StatusError) => void;
  readonly #holds = new Set<unknown>();
  #reason: StatusError | undefined;
  #waiting: (() => void)[] = [];
  #resuming = false;

  constructor(stream: Duplex, sink: ChannelSink, limits: Limits) {
    this.#stream = stream;
    this.#sink = sink;
    this.#maxQueuedBytes = limits.maxQueuedBytes;
    // Below its own mark a stream does not tell when it has drained.
    this.#highWaterMark = Math.max(limits.highWaterMark, stream.writableHighWaterMark);
    this.#reader = new FrameReader(sink);
    this.output = new Output(stream, this.#onFlush);
    const { promise, resolve } = Promise.withResolvers<StatusError>();
    this.closed = promise;
    this.#resolveClosed = resolve;
    stream.on('data', this.#onData);
    stream.on('drain', this.#onDrain);
    stream.once('end', this.#onEnd);
    stream.on('error', this.#onError);
    stream.once('close', this.#onClose);
    if (stream.destroyed) process.nextTick(this.#onClose);
  }

  /** Whether the connection has ended or is about to. */
  get ended(): boolean {
    return this.#reason !== undefined;
  }

  /** Why the connection ended. */
  get reason(): StatusError | undefined {
    return this.#reason;
  }

  /** Whether so much output waits that senders should call `drained()`. Closes a connection that has too much. */
  get congested(): boolean {
    const queued = this.output.queuedLength;
    if (queued < this.#highWaterMark) return false;
    if (queued > this.#maxQueuedBytes) this.#closeFlooded(queued);
    return true;
  }

  /** Settles when the output has been written, or the connection has ended. */
  drained(): Promise<void> {
    if (this.ended || !this.congested) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Reads no further frames until the holder lets go. */
  hold(holder: unknown): void {
    if (this.#holds.size === 0) {
      this.#reader.pause();
      this.#stream.pause();
    }
    this.#holds.add(holder);
  }

  /** Lets go. Reading resumes in a later microtask, when nobody holds any more. */
  release(holder: unknown): void {
    if (!this.#holds.delete(holder) || this.#holds.size > 0 || this.#resuming) return;
    this.#resuming = true;
    queueMicrotask(this.#resume);
  }

  /** Writes what is queued, then closes. */
  end(reason: StatusError): void {
    if (this.#reason) return;
    this.output.flush();
    this.#finish(reason);
    this.#stream.resume();
    this.#stream.end(() => this.#stream.destroy());
  }

  /** Closes at once. */
  destroy(reason: StatusError): void {
    if (!this.#reason) this.#finish(reason);
    this.#stream.destroy();
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#reason) return;
    try {
      this.#reader.push(chunk);
    } catch (cause) {
      this.destroy(new StatusError(Code.Internal, 'Cannot handle a received frame', { cause }));
    }
  };

  readonly #resume = (): void => {
    this.#resuming = false;
    if (this.#holds.size > 0 || this.#reason) return;
    try {
      this.#reader.resume();
    } catch (cause) {
      this.destroy(new StatusError(Code.Internal, 'Cannot handle a received frame', { cause }));
    }
    if (this.#holds.size === 0) this.#stream.resume();
  };

  /** A stream that takes everything at once has nothing to drain. */
  readonly #onFlush = (): void => {
    if (this.#waiting.length > 0 && this.output.queuedLength < this.#highWaterMark) this.#onDrain();
  };

  readonly #onDrain = (): void => {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  };

  readonly #onEnd = (): void => {
    this.destroy(closedError(new Error('The peer closed the connection')));
  };

  readonly #onError = (cause: Error): void => {
    this.destroy(closedError(cause));
  };

  readonly #onClose = (): void => {
    this.destroy(closedError(new Error('The connection was closed')));
    this.#stream.off('data', this.#onData);
    this.#stream.off('drain', this.#onDrain);
    this.#stream.off('end', this.#onEnd);
    // An error listener stays: a late error of a stream that is gone concerns nobody.
    this.#resolveClosed(this.#reason!);
  };

  #closeFlooded(queued: number): void {
    this.destroy(
      new StatusError(
        Code.ResourceExhausted,
        `Close the connection: ${queued} bytes wait for a peer that does not read, ${this.#maxQueuedBytes} may`,
      ),
    );
  }

  #finish(reason: StatusError): void {
    this.#reason = reason;
    this.output.close();
    this.#sink.onClose(reason);
    this.#onDrain();
  }
}

/** The error that calls on a closed connection end with; the message is Go's. */
export function closedError(cause: unknown): StatusError {
  return new StatusError(Code.Unavailable, 'ttrpc: closed', cause === undefined ? {} : { cause });
}
