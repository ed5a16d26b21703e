import type { DaemonExit } from '../daemon/exit.ts';
import type { Share, ShareStatus } from '../share/contract.ts';
import type { ExitPolicy } from '../share/exit-policy.ts';
import type { CheckedShare } from './checked-share.ts';

/** A plugin's share as the host gives it out: its disposal also takes it out of its sandbox. */
export class HostShare implements Share {
  readonly #share: CheckedShare;
  readonly #close: () => Promise<void>;

  constructor(share: CheckedShare, close: () => Promise<void>) {
    this.#share = share;
    this.#close = close;
  }

  get tag(): string {
    return this.#share.tag;
  }

  get socketPath(): string {
    return this.#share.socketPath;
  }

  get apiSocketPath(): string | undefined {
    return this.#share.apiSocketPath;
  }

  get sharedDir(): string {
    return this.#share.sharedDir;
  }

  get queueSize(): number {
    return this.#share.queueSize;
  }

  get cache(): string | undefined {
    return this.#share.cache;
  }

  get pid(): number {
    return this.#share.pid;
  }

  get onExit(): ExitPolicy {
    return this.#share.onExit;
  }

  get ready(): Promise<void> {
    return this.#share.ready;
  }

  get closed(): Promise<DaemonExit> {
    return this.#share.closed;
  }

  status(): ShareStatus {
    return this.#share.status();
  }

  onChange(listener: () => void): Disposable {
    return this.#share.onChange(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }
}
