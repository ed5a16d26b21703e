/** Options of {@link acquireLock}. */
export interface LockOptions {
  /** Called once when another process holds the lock. */
  readonly onWait?: () => void;
  /** Gives up waiting and rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Waits until this process alone holds the lock file `path`, then resolves to the function that releases it. */
export function acquireLock(path: string, options?: LockOptions): Promise<() => Promise<void>>;
