import type { Limits } from '../limits.ts';
import { StallTimer } from '../stall-timer.ts';
import { PayloadBuffer } from './payload-buffer.ts';

/** What a `ReceiveQueue` needs from its stream. */
export interface ReceiveQueueOwner<T> {
  /** Decodes a message when it is taken. What it throws, the consumer gets. */
  decode(payload: Uint8Array): T;
  /** More arrived than the limits allow: read no further from the connection. */
  onFull(): void;
  /** There is room again. */
  onRoom(): void;
  /** There was no room for too long, and the consumer took nothing. */
  onStall(): void;
  /** The consumer wants no more. */
  onReturn(): void;
}

/**
 * The messages of a stream that arrived and were not yet consumed, within limits.
 *
 * ttrpc has no flow control of its own: a stream that is full makes its whole connection wait. After a while it
 * fails or, where its consumer is only slow, is given more room, so that one stream does not hold up the others.
 */
export class ReceiveQueue<T> implements AsyncIterableIterator<T, undefined> {
  readonly #owner: ReceiveQueueOwner<T>;
  readonly #limits: Limits;
  readonly #payloads = new PayloadBuffer();
  #waiting: Waiter<T>[] = [];
  #ended = false;
  #error: Error | undefined;
  /** Whether the connection waits. */
  #held = false;
  /** Runs from then on until all is consumed, for a slow consumer makes room again and again. */
  readonly #stall: StallTimer;
  /** Whether the consumer has taken anything since the timer was looked at last. */
  #taken = false;
  /** How many times its limits the stream may hold. */
  #allowance = 1;

  constructor(owner: ReceiveQueueOwner<T>, limits: Limits) {
    this.#owner = owner;
    this.#limits = limits;
    this.#stall = new StallTimer(limits.streamStallTimeoutMs, () => this.#onStall());
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Returns the next message. Behind the last one: the end, or once the error that the stream ended with. */
  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#payloads.length > 0) return this.#take();
    if (this.#ended) return this.#takeEnd();
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** Ends the stream from the consumer's side. */
  return(): Promise<IteratorResult<T, undefined>> {
    const wasOpen = !this.#ended;
    this.abort(undefined);
    if (wasOpen) this.#owner.onReturn();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** Adds a message, a view of what was `read` from the connection. One that comes after the end is dropped. */
  push(payload: Uint8Array, read: Uint8Array = payload): void {
    if (this.#ended) return;
    const waiter = this.#waiting.shift();
    if (waiter) {
      this.#taken = true;
      this.#deliver(waiter, payload);
      return;
    }
    this.#payloads.push(payload, read);
    if (!this.#held && this.#full) this.#hold();
  }

  /** Ends the stream behind what it holds, with an error if one is given. */
  end(error?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    // Nothing comes any more that would have to wait.
    this.#stall.stop();
    this.#relieve();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const waiter of waiting) waiter.resolve(this.#takeEnd());
  }

  /** Ends the stream and drops what it holds. */
  abort(error: Error | undefined): void {
    this.#payloads.clear();
    if (this.#ended) this.#error = error;
    this.end(error);
  }

  #take(): Promise<IteratorResult<T, undefined>> {
    const payload = this.#payloads.shift();
    this.#taken = true;
    if (this.#payloads.length === 0) {
      this.#allowance = 1;
      this.#stall.stop();
    }
    if (this.#held && !this.#full) this.#relieve();
    try {
      return Promise.resolve({ done: false, value: this.#owner.decode(payload) });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #takeEnd(): Promise<IteratorResult<T, undefined>> {
    const error = this.#error;
    this.#error = undefined;
    return error ? Promise.reject(error) : Promise.resolve({ done: true, value: undefined });
  }

  #deliver(waiter: Waiter<T>, payload: Uint8Array): void {
    try {
      waiter.resolve({ done: false, value: this.#owner.decode(payload) });
    } catch (error) {
      waiter.reject(error);
    }
  }

  get #full(): boolean {
    const { streamBufferMessages, streamBufferBytes } = this.#limits;
    const { length, bytes } = this.#payloads;
    return (
      length > streamBufferMessages * this.#allowance ||
      (length > 1 && bytes > streamBufferBytes * this.#allowance)
    );
  }

  #hold(): void {
    this.#held = true;
    // A consumer that took nothing before the connection had to wait has all of the time from now on.
    if (!this.#stall.running || !this.#taken) this.#stall.start();
    this.#owner.onFull();
  }

  #relieve(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#owner.onRoom();
  }

  #onStall(): void {
    if (this.#held && !this.#taken) {
      this.#owner.onStall();
      return;
    }
    this.#taken = false;
    this.#stall.start();
    while (this.#full && this.#allowance < MAX_ALLOWANCE) this.#allowance++;
    if (!this.#full) this.#relieve();
  }
}

interface Waiter<T> {
  readonly resolve: (result: IteratorResult<T, undefined> | Promise<IteratorResult<T, undefined>>) => void;
  readonly reject: (error: unknown) => void;
}

/** A consumer that is slow is waited for once this many times its limits are held. */
const MAX_ALLOWANCE = 16;
