import { type Duplex } from 'node:stream';
import { Code } from '../code.ts';
import type { Limits } from '../limits.ts';
import { StatusError } from '../status-error.ts';
import { FrameReader, type FrameSink } from './frame-reader.ts';
import { Output } from './output.ts';
import { SendQueue } from './send-queue.ts';

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
  /** Those who wait to write. */
  readonly sends: SendQueue;
  /** Settles when the stream is closed. */
  readonly closed: Promise<StatusError>;
  readonly #stream: Duplex;
  readonly #sink: ChannelSink;
  readonly #reader: FrameReader;
  readonly #resolveClosed: (reason: StatusError) => void;
  readonly #holds = new Set<unknown>();
  #reason: StatusError | undefined;
  #resuming = false;
  #destroyed = false;
  #closeTimer: NodeJS.Timeout | undefined;

  constructor(stream: Duplex, sink: ChannelSink, limits: Limits) {
    this.#stream = stream;
    this.#sink = sink;
    this.#reader = new FrameReader(sink);
    this.output = new Output(stream, this.#onFlush);
    this.sends = new SendQueue({
      output: this.output,
      // Below its own mark a stream does not tell when it has drained.
      highWaterMark: Math.max(limits.highWaterMark, stream.writableHighWaterMark),
      stallTimeoutMs: limits.peerStallTimeoutMs,
      onStall: () => this.destroy(stalledError(this.output.queuedLength, limits.peerStallTimeoutMs)),
    });
    const { promise, resolve } = Promise.withResolvers<StatusError>();
    this.closed = promise;
    this.#resolveClosed = resolve;
    stream.on('data', this.#onData);
    stream.on('drain', this.#onDrain);
    stream.once('end', this.#onEnd);
    stream.on('error', this.#onError);
    stream.once('close', this.#onClose);
    // Whoever had the stream before may have paused it, or seen its end.
    if (stream.readable && stream.writable) stream.resume();
    else
      process.nextTick(() => this.destroy(closedError(stream.errored ?? new Error('The stream has ended'))));
  }

  /** Why the connection ended, or is about to; undefined where it has not. */
  get reason(): StatusError | undefined {
    return this.#reason;
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
    this.sends.linger();
    this.#stream.end(() => this.destroy(reason));
  }

  /** Closes at once. */
  destroy(reason: StatusError): void {
    if (!this.#reason) this.#finish(reason);
    this.sends.close();
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#stream.destroy();
    setImmediate(this.#checkClosed);
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
  readonly #onFlush = (error?: unknown): void => {
    if (error === undefined) this.sends.onProgress();
    else this.destroy(closedError(error));
  };

  readonly #onDrain = (): void => {
    this.sends.onProgress();
  };

  readonly #onEnd = (): void => {
    this.destroy(closedError(new Error('The peer closed the connection')));
  };

  readonly #onError = (cause: Error): void => {
    this.destroy(closedError(cause));
  };

  readonly #onClose = (): void => {
    this.destroy(closedError(new Error('The connection was closed')));
    clearTimeout(this.#closeTimer);
    this.#stream.off('close', this.#onClose);
    this.#stream.off('data', this.#onData);
    this.#stream.off('drain', this.#onDrain);
    this.#stream.off('end', this.#onEnd);
    // An error listener stays: a late error of a stream that is gone concerns nobody.
    this.#resolveClosed(this.#reason!);
  };

  /** A stream that was made with `emitClose: false` does not tell that it is closed. */
  readonly #checkClosed = (): void => {
    if (this.#stream.closed) this.#onClose();
    else this.#closeTimer = setTimeout(this.#checkClosed, CLOSE_CHECK_MS).unref();
  };

  #finish(reason: StatusError): void {
    this.#reason = reason;
    this.output.close();
    this.#sink.onClose(reason);
    this.sends.close();
  }
}

const CLOSE_CHECK_MS = 10;

function stalledError(queued: number, timeoutMs: number): StatusError {
  return new StatusError(
    Code.ResourceExhausted,
    `Close the connection: ${queued} bytes wait for a peer that has taken nothing for ${timeoutMs} ms`,
  );
}

/** The error that calls on a closed connection end with; the message is Go's. */
export function closedError(cause: unknown): StatusError {
  return new StatusError(Code.Unavailable, 'ttrpc: closed', cause === undefined ? {} : { cause });
}
