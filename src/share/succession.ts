import type { Logger } from 'pino';
import { Listeners } from '../async/listeners.ts';
import type { Daemon, DaemonState } from '../daemon/contract.ts';
import { isFailure, type DaemonExit } from '../daemon/exit.ts';
import { exitError } from '../daemon/report-quit.ts';
import { messageOf } from '../errors.ts';
import { delayMsAfter, hasServed, MAX_IN_A_ROW } from './exit-policy.ts';

/** The daemons of a share, one after the other. */
export interface Succession {
  /** The newest; it may have ended. */
  readonly daemon: Daemon;
  /** `starting` also while there is none but one is to come. */
  readonly state: DaemonState;
  /** How many have followed the first. */
  readonly restarts: number;
  /** Resolves when the newest, or the next, waits for its VMM; rejects where it never will. */
  readonly ready: Promise<void>;
  /** Resolves when one has ended and none follows. */
  readonly ended: Promise<DaemonExit>;
  /** Calls the listener after each change of `state`, and after each new daemon, until disposal of what it returns. */
  onChange(listener: () => void): Disposable;
  /** Stops the daemon, or the coming of the next one, and waits until none is left. */
  stop(): Promise<void>;
}

/** What a succession needs. */
export interface SuccessionParts {
  readonly first: Daemon;
  /** How many there have been before it. */
  readonly restarts: number;
  readonly log: Logger;
  /** Aborts when the host leaves its daemons to the next one, which then replaces them. */
  readonly ending: AbortSignal;
  /** Called in the turn in which a daemon has ended; true where another one is to follow. */
  readonly onEnd: (exit: DaemonExit, daemon: Daemon) => boolean;
  /** Starts the one that follows. */
  readonly start: (former: Daemon, next: { restarts: number; signal: AbortSignal }) => Promise<Daemon>;
  /** Called when too many have ended in a row. */
  readonly onGivenUp: () => void;
}

/** Begins with a daemon that runs, and replaces it for as long as its end asks for it. */
export const beginSuccession = (parts: SuccessionParts): Succession => new DaemonSuccession(parts);

class DaemonSuccession implements Succession {
  readonly ended: Promise<DaemonExit>;
  readonly #parts: SuccessionParts;
  readonly #listeners: Listeners<[]>;
  readonly #stopping = new AbortController();
  #daemon: Daemon;
  #restarts: number;
  #ready: Promise<void>;
  /** There while one has ended and the next one is not there yet. */
  #gap: PromiseWithResolvers<void> | undefined;

  constructor(parts: SuccessionParts) {
    const { first, restarts, log } = parts;
    this.#parts = parts;
    this.#listeners = new Listeners((error) => log.error({ err: error }, 'A listener to a share failed'));
    this.#daemon = first;
    this.#restarts = restarts;
    this.#ready = first.ready;
    first.onChange(() => this.#listeners.call());
    this.ended = this.#follow();
  }

  get daemon(): Daemon {
    return this.#daemon;
  }

  get state(): DaemonState {
    if (!this.#gap) return this.#daemon.state;
    return this.#stopping.signal.aborted ? 'stopping' : 'starting';
  }

  get restarts(): number {
    return this.#restarts;
  }

  get ready(): Promise<void> {
    return this.#ready;
  }

  onChange(listener: () => void): Disposable {
    return this.#listeners.add(listener);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    if (this.#gap) this.#listeners.call();
    else await this.#daemon.stop();
    await this.ended;
  }

  async #follow(): Promise<DaemonExit> {
    let inARow = 0;
    for (;;) {
      const daemon = this.#daemon;
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const exit = await daemon.exited;
      if (!this.#parts.onEnd(exit, daemon) || this.#stopping.signal.aborted) return exit;
      if (hasServed(exit, daemon)) inARow = 0;
      const isUrgent = exit.cause === 'disconnected' && daemon.hadClient === true;
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const end = await this.#replace(exit, { inARow, isUrgent });
      if (end.exit) return end.exit;
      inARow = end.inARow;
    }
  }

  /** Ends with a daemon that runs, or with the exit that is the last. */
  async #replace(
    first: DaemonExit,
    { inARow, isUrgent }: { inARow: number; isUrgent: boolean },
  ): Promise<{ inARow: number; exit?: DaemonExit }> {
    this.#open();
    let exit = first;
    for (let row = inARow; row < MAX_IN_A_ROW; row++) {
      const delayMs = isUrgent && row === inARow ? 0 : delayMsAfter(row);
      try {
        // oxlint-disable-next-line no-await-in-loop -- one after the other
        await this.#startNext(exit, delayMs);
        return { inARow: row + 1 };
      } catch (error) {
        // oxlint-disable-next-line no-await-in-loop -- the last thing that it does
        if (await this.#isOver()) return { inARow: row, exit: this.#close(stopped(exit)) };
        exit = notStarted(exit, error);
      }
    }
    this.#parts.onGivenUp();
    return { inARow, exit: this.#close(givenUp(exit)) };
  }

  async #startNext(exit: DaemonExit, delayMs: number): Promise<void> {
    const { log, ending, start } = this.#parts;
    const signal = AbortSignal.any([this.#stopping.signal, ending]);
    signal.throwIfAborted();
    const level = isFailure(exit.cause) ? 'warn' : 'info';
    log[level]({ cause: exit.cause, delayMs }, `Respawning the share's daemon: ${exit.message}`);
    await pause(delayMs, signal);
    const restarts = this.#restarts + 1;
    const daemon = await start(this.#daemon, { restarts, signal });
    this.#restarts = restarts;
    this.#daemon = daemon;
    daemon.onChange(() => this.#listeners.call());
    this.#gap?.resolve(daemon.ready);
    this.#gap = undefined;
    this.#ready = daemon.ready;
    this.#listeners.call();
    if (this.#stopping.signal.aborted) await daemon.stop();
  }

  /** True once the share is being closed. Where the host has left it to the next one, that is all that can come. */
  async #isOver(): Promise<boolean> {
    const { signal } = this.#stopping;
    if (!signal.aborted && this.#parts.ending.aborted)
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    return signal.aborted;
  }

  #open(): void {
    this.#gap = Promise.withResolvers<void>();
    this.#ready = this.#gap.promise;
    this.#ready.catch(() => {});
    this.#listeners.call();
  }

  #close(exit: DaemonExit): DaemonExit {
    this.#gap?.reject(exitError(exit));
    this.#gap = undefined;
    this.#listeners.call();
    return exit;
  }
}

/** @throws the signal's reason */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms === 0) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const wake = (): void => resolve();
  signal.addEventListener('abort', wake, { once: true });
  await promise;
  clearTimeout(timer);
  signal.removeEventListener('abort', wake);
  signal.throwIfAborted();
}

const stopped = (exit: DaemonExit): DaemonExit => ({
  ...exit,
  cause: 'stopped',
  message: `${exit.message}; it was stopped before the next one`,
  exitedAt: new Date(),
});

const notStarted = (exit: DaemonExit, error: unknown): DaemonExit => ({
  ...exit,
  cause: 'start-failed',
  message: `The share's daemon cannot be respawned: ${messageOf(error)}`,
  exitedAt: new Date(),
});

const givenUp = (exit: DaemonExit): DaemonExit => ({
  ...exit,
  cause: isFailure(exit.cause) ? exit.cause : 'failed',
  message: `${exit.message}; given up after ${MAX_IN_A_ROW} respawns in a row`,
});
