/**
 * Tells when a time has passed, in which the other side could have done something.
 *
 * The time is counted in parts, one in a turn of the event loop: the timers of a process that was suspended or busy
 * are all late, and fire before the process has looked at what the other side did. Keeps no process alive.
 */
export class StallTimer {
  readonly #partMs: number;
  readonly #onTimeout: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(timeoutMs: number, onTimeout: () => void) {
    this.#partMs = Math.min(timeoutMs / PARTS, MAX_TIMER_MS);
    this.#onTimeout = onTimeout;
  }

  get running(): boolean {
    return this.#timer !== undefined;
  }

  start(): void {
    this.stop();
    this.#startPart(1);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #startPart(part: number): void {
    this.#timer = setTimeout(() => {
      if (part < PARTS) return this.#startPart(part + 1);
      this.#timer = undefined;
      this.#onTimeout();
    }, this.#partMs);
    this.#timer.unref();
  }
}

const PARTS = 4;

/** Node.js fires longer timers at once. */
const MAX_TIMER_MS = 0x7fff_ffff;
