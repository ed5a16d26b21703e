import { StallTimer } from '../stall-timer.ts';
import type { Output } from './output.ts';

/** What those who write to a connection need of it. */
export interface SendPort {
  readonly output: Output;
  /** Whether a writer may write at once. Otherwise it has to `wait()`. */
  readonly hasRoom: boolean;
  /**
   * Calls `onTurn` once: when it is the writer's turn, which may be at once, when the writer has left, or when the
   * connection has ended.
   */
  wait(writer: object, onTurn: () => void): void;
  /** Gives up the writer's place. Does nothing where it has none. */
  leave(writer: object): void;
}

/** Writes when it is the writer's turn, unless the writer has ended by then. */
export function writeInTurn(
  port: SendPort,
  writer: { readonly ended: boolean },
  write: () => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    port.wait(writer, () => {
      try {
        if (!writer.ended) write();
        resolve();
      } catch (error) {
        reject(error);
      }
    });
  });
}

/** What a `SendQueue` is made from. */
export interface SendQueueOptions {
  readonly output: Output;
  /** Bytes that are queued, from which on writers wait. */
  readonly highWaterMark: number;
  readonly stallTimeoutMs: number;
  /** Somebody waits, and the peer has taken nothing for the time above. */
  readonly onStall: () => void;
}

/**
 * Those who wait to write to a connection, in the order in which they came.
 *
 * A writer that waits has encoded nothing yet: what is queued is at most the high-water mark and one message.
 */
export class SendQueue {
  readonly #options: SendQueueOptions;
  readonly #waiting = new Map<object, () => void>();
  #immediate: NodeJS.Immediate | undefined;
  readonly #stall: StallTimer;
  #taken = '';
  #closed = false;

  constructor(options: SendQueueOptions) {
    this.#options = options;
    this.#stall = new StallTimer(options.stallTimeoutMs, () => this.#check());
  }

  get hasRoom(): boolean {
    return this.#waiting.size === 0 && !this.#full;
  }

  wait(writer: object, onTurn: () => void): void {
    if (this.#closed || this.hasRoom) return onTurn();
    this.#waiting.set(writer, onTurn);
    this.#watch();
  }

  leave(writer: object): void {
    const onTurn = this.#waiting.size === 0 ? undefined : this.#waiting.get(writer);
    if (onTurn === undefined) return;
    this.#waiting.delete(writer);
    onTurn();
  }

  /** The output has shrunk. Turns are given in the next phase of the event loop, so that other events have theirs. */
  onProgress(): void {
    if (this.#waiting.size > 0 && !this.#full) this.#immediate ??= setImmediate(this.#giveTurns);
  }

  /** Watches the peer although nobody waits any more, until what is queued has left. */
  linger(): void {
    this.#watch();
  }

  /** Ends every wait: those that are, and those that come. */
  close(): void {
    this.#closed = true;
    this.#stall.stop();
    clearImmediate(this.#immediate);
    for (const writer of this.#waiting.keys()) this.leave(writer);
  }

  get #full(): boolean {
    return !this.#options.output.isBelow(this.#options.highWaterMark);
  }

  readonly #giveTurns = (): void => {
    this.#immediate = undefined;
    for (const writer of this.#waiting.keys()) {
      if (this.#full) return;
      this.leave(writer);
    }
  };

  /** The timer runs on when nobody waits any more: to start it for every wait would cost more. */
  #watch(): void {
    if (this.#stall.running) return;
    this.#taken = this.#options.output.taken;
    this.#stall.start();
  }

  #check(): void {
    const { output, onStall } = this.#options;
    if (this.#waiting.size === 0 && !(this.#closed && output.queuedLength > 0)) return;
    if (output.taken === this.#taken) onStall();
    else this.#watch();
  }
}
