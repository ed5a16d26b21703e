import type { Logger } from 'pino';
import { Code, StatusError } from 'ttrpc-ts';
import { Listeners } from '../async/listeners.ts';
import type { ShareStatus } from '../share/contract.ts';
import type { CheckedShare } from './checked-share.ts';
import { HostShare } from './host-share.ts';
import type { Replay } from './replay-mounts.ts';

/** A share whose mounts go with its daemon: each that follows is ready when it has them too. */
export class ReplayedShare extends HostShare {
  readonly #replay: Replay;
  readonly #log: Logger;
  readonly #listeners: Listeners<[]>;
  /** Of the newest daemon that was looked at. */
  #restarts: number | undefined;
  /** Aborts when another daemon follows. */
  #outdated = new AbortController();
  /** There while what is mounted is not all there yet. */
  #underWay: Promise<void> | undefined;

  /** @param options.adopted true where another host has mounted what is to be there */
  constructor(
    share: CheckedShare,
    { replay, log, adopted }: { replay: Replay; log: Logger; adopted: boolean },
  ) {
    super(share, async () => share[Symbol.asyncDispose]());
    this.#replay = replay;
    this.#log = log;
    this.#listeners = new Listeners((error) => log.error({ err: error }, 'A listener to a share failed'));
    if (!adopted) this.#restarts = restartsOf(share);
    super.onChange(() => this.#follow());
    this.#follow();
  }

  override get ready(): Promise<void> {
    const ready = this.#whenReplayed();
    ready.catch(() => {});
    return ready;
  }

  override status(): ShareStatus {
    const status = super.status();
    return this.#underWay && status.state === 'waiting' ? { ...status, state: 'starting' } : status;
  }

  override onChange(listener: () => void): Disposable {
    const both = new DisposableStack();
    both.use(super.onChange(listener));
    both.use(this.#listeners.add(listener));
    return both;
  }

  async #whenReplayed(): Promise<void> {
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- another daemon may have followed meanwhile
      await super.ready;
      if (!this.#underWay) return;
      // oxlint-disable-next-line no-await-in-loop -- as above
      await this.#underWay;
    }
  }

  #follow(): void {
    const restarts = restartsOf(this);
    if (restarts === this.#restarts) return;
    this.#restarts = restarts;
    this.#outdated.abort();
    this.#outdated = new AbortController();
    try {
      const hasLost = this.#replay.hasLost(restarts);
      const running = this.#run(restarts, this.#outdated.signal);
      if (hasLost) this.#hold(running);
    } catch (error) {
      this.#log.error({ err: error }, 'Cannot tell what was mounted in a share');
    }
  }

  /** Never rejects. */
  async #run(restarts: number, signal: AbortSignal): Promise<void> {
    try {
      await super.ready;
    } catch {
      return; // its daemon has ended, which is told elsewhere, or it is being closed
    }
    try {
      await this.#replay.run(restarts, { signal });
    } catch (error) {
      const isGivenUp = signal.aborted || (StatusError.is(error) && error.code === Code.Canceled);
      if (!isGivenUp) this.#log.error({ err: error }, 'Cannot mount again what a share had');
    }
  }

  #hold(running: Promise<void>): void {
    const underWay = running.then(() => {
      if (this.#underWay !== underWay) return;
      this.#underWay = undefined;
      this.#listeners.call();
    });
    this.#underWay = underWay;
  }
}

function restartsOf(share: Pick<CheckedShare, 'status'>): number {
  const { restarts = 0 } = share.status();
  return restarts;
}
