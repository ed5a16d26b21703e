import { statSync } from 'node:fs';
import type { Logger } from 'pino';
import { Code, StatusError } from 'ttrpc-ts';
import { messageOf } from '../errors.ts';
import type { Lock } from '../proc/flock.ts';
import type { StateDirectory } from '../share/state-directory.ts';

/** How often the lock's file and holder are looked at, and a lock is tried again that could not be taken, in milliseconds. */
const LOOK_MS = 2000;

/** A lock that is taken again where it is lost. Disposal gives it up. */
export interface KeptLock extends AsyncDisposable {
  /** Resolves to the reason when it cannot be taken again, because another host has it. */
  readonly lost: Promise<StatusError>;
}

/** What has become of a lock: its holder was killed, or its file removed or replaced. */
type Loss = 'Somebody killed the holder of the lock of this host' | 'Somebody removed the lock of this host';

/**
 * Keeps the lock of a state directory. Where its holder is killed, it is taken anew at once: nobody else may have it, and
 * who ends this process's shares after its death is the holder. Where its file is removed or replaced, as those who clean
 * up old files do, it is taken anew too. Where another host has it by then, the state directory is lost.
 */
export function keepLock(
  stateDir: Pick<StateDirectory, 'host' | 'isInPlace' | 'lose'>,
  lock: Lock,
  options: { take: () => Promise<Lock>; log: Logger },
): KeptLock {
  const keeper = new LockKeeper(stateDir, options, lock);
  return { lost: keeper.lost, [Symbol.asyncDispose]: () => keeper.giveUp() };
}

class LockKeeper {
  readonly lost: Promise<StatusError>;
  readonly #stateDir: Pick<StateDirectory, 'host' | 'isInPlace' | 'lose'>;
  readonly #take: () => Promise<Lock>;
  readonly #log: Logger;
  readonly #onLost: (reason: StatusError) => void;
  readonly #timer: NodeJS.Timeout;
  #lock: Lock;
  #isHeld = true;
  #inode: number | undefined;
  #problem: string | undefined;
  #taking: Promise<void> | undefined;
  #isClosed = false;

  constructor(
    stateDir: Pick<StateDirectory, 'host' | 'isInPlace' | 'lose'>,
    { take, log }: { take: () => Promise<Lock>; log: Logger },
    lock: Lock,
  ) {
    this.#stateDir = stateDir;
    this.#take = take;
    this.#log = log;
    const { promise, resolve } = Promise.withResolvers<StatusError>();
    this.lost = promise;
    this.#onLost = resolve;
    this.#lock = lock;
    this.#watch();
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  async giveUp(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.#taking;
    await this.#lock[Symbol.asyncDispose]();
  }

  #watch(): void {
    const lock = this.#lock;
    this.#inode = inodeOf(this.#stateDir.host.lock);
    void lock.ended.then(() => {
      if (lock !== this.#lock || this.#isClosed) return;
      this.#isHeld = false;
      this.#takeAgain('Somebody killed the holder of the lock of this host');
    });
  }

  #look(): void {
    this.#lock.wake();
    if (!this.#isHeld) this.#takeAgain('Somebody killed the holder of the lock of this host');
    else if (inodeOf(this.#stateDir.host.lock) !== this.#inode)
      this.#takeAgain('Somebody removed the lock of this host');
  }

  #takeAgain(loss: Loss): void {
    // The lock of another host's state is not ours to take.
    if (this.#isClosed || !this.#stateDir.isInPlace()) return;
    this.#taking ??= this.#tryAgain(loss).finally(() => (this.#taking = undefined));
  }

  async #tryAgain(loss: Loss): Promise<void> {
    const file = this.#stateDir.host.lock;
    try {
      const former = this.#lock;
      this.#lock = await this.#take();
      this.#isHeld = true;
      this.#watch();
      await former[Symbol.asyncDispose]();
      this.#problem = undefined;
      this.#log.warn({ file }, `${loss}; it is taken again`);
    } catch (error) {
      if (StatusError.is(error) && error.code === Code.FailedPrecondition) {
        this.#lose(loss, error);
        return;
      }
      if (this.#problem === messageOf(error)) return;
      this.#problem = messageOf(error);
      this.#log.error({ file, err: error }, `${loss}, and it cannot be taken again`);
    }
  }

  #lose(loss: Loss, cause: StatusError): void {
    clearInterval(this.#timer);
    this.#stateDir.lose();
    const message = `${loss}, and another host has it by now: this one opens no share any more, and leaves those that it has`;
    this.#log.error({ file: this.#stateDir.host.lock, err: cause }, message);
    this.#onLost(new StatusError(Code.FailedPrecondition, message, { cause }));
  }
}

function inodeOf(file: string): number | undefined {
  try {
    return statSync(file, { throwIfNoEntry: false })?.ino;
  } catch {
    return undefined;
  }
}
