import type { Limits } from '../limits.ts';

/** What a `ReceiveQueue` needs from its stream. */
export interface ReceiveQueueOwner<T> {
  /** Decodes a message when it is taken. What it throws, the consumer gets. */
  decode(payload: Uint8Array): T;
  /** More arrived than the limits allow: read no further from the connection. */
  onFull(): void;
  /** There is room again. */
  onRoom(): void;
  /** There was no room for too long. */
  onStall(): void;
  /** The consumer wants no more. */
  onReturn(): void;
}

/**
 * The messages of a stream that arrived and were not yet consumed, within limits.
 *
 * ttrpc has no flow control of its own: a stream that is full makes its whole connection wait, for a limited time.
 */
export class ReceiveQueue<T> implements AsyncIterableIterator<T, undefined> {
  readonly #owner: ReceiveQueueOwner<T>;
  readonly #limits: Limits;
  #payloads: Uint8Array[] = [];
  #first = 0;
  #bytes = 0;
  #waiting: Waiter<T>[] = [];
  #ended = false;
  #error: Error | undefined;
  #stallTimer: NodeJS.Timeout | undefined;

  constructor(owner: ReceiveQueueOwner<T>, limits: Limits) {
    this.#owner = owner;
    this.#limits = limits;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Returns the next message. Behind the last one: the end, or once the error that the stream ended with. */
  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#first < this.#payloads.length) return this.#take();
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

  /** Adds a message. One that comes after the end is dropped. */
  push(payload: Uint8Array): void {
    if (this.#ended) return;
    const waiter = this.#waiting.shift();
    if (waiter) {
      this.#deliver(waiter, payload);
      return;
    }
    this.#payloads.push(payload);
    this.#bytes += payload.length;
    if (this.#full && !this.#stallTimer) {
      this.#startStallTimer();
      this.#owner.onFull();
    }
  }

  /** Ends the stream behind what it holds, with an error if one is given. */
  end(error?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const waiter of waiting) waiter.resolve(this.#takeEnd());
  }

  /** Ends the stream and drops what it holds. */
  abort(error: Error | undefined): void {
    this.#payloads = [];
    this.#first = 0;
    this.#bytes = 0;
    this.#relieve();
    if (this.#ended) this.#error = error;
    this.end(error);
  }

  #take(): Promise<IteratorResult<T, undefined>> {
    const payload = this.#payloads[this.#first]!;
    this.#first++;
    this.#bytes -= payload.length;
    if (this.#first === this.#payloads.length || this.#first >= compactAt) {
      this.#payloads = this.#payloads.slice(this.#first);
      this.#first = 0;
    }
    if (this.#stallTimer) {
      if (this.#full) this.#startStallTimer();
      else this.#relieve();
    }
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
    const count = this.#payloads.length - this.#first;
    return (
      count > this.#limits.streamBufferMessages || (count > 1 && this.#bytes > this.#limits.streamBufferBytes)
    );
  }

  #startStallTimer(): void {
    clearTimeout(this.#stallTimer);
    this.#stallTimer = setTimeout(() => this.#owner.onStall(), this.#limits.streamStallTimeoutMs);
  }

  #relieve(): void {
    if (!this.#stallTimer) return;
    clearTimeout(this.#stallTimer);
    this.#stallTimer = undefined;
    this.#owner.onRoom();
  }
}

interface Waiter<T> {
  readonly resolve: (result: IteratorResult<T, undefined> | Promise<IteratorResult<T, undefined>>) => void;
  readonly reject: (error: unknown) => void;
}

/** Consumed entries are given back in strides, not one by one. */
const compactAt = 1024;
