import type { Logger } from 'pino';
import type { Config } from '../config/schema.ts';
import { AFTER_DEATH } from '../package.ts';
import { lockFile, type Lock } from '../proc/flock.ts';
import type { StateDirectory } from '../share/state-directory.ts';

/** What becomes of shares when the process of their host ends without closing it. */
export type ShareLifetime = 'end-with-process' | 'outlive-process';

/** A state directory that another host may have, and what a host needs that is to take it over. */
export interface Takeable {
  readonly stateDir: StateDirectory;
  readonly config: Config;
  readonly log: Logger;
  /** Asks the plugins whether they could open the configuration's shares. @throws ConfigError */
  check(this: void): Promise<void>;
  /**
   * Locks the state directory.
   *
   * @param options.waitMs how long a host that has it is waited for, in milliseconds. @default 0
   * @throws StatusError FailedPrecondition while another host has it
   */
  lock(this: void, options?: { waitMs?: number }): Promise<Lock>;
}

/** Gets the lock of a state directory, from another host where one has it. */
export type TakeOver = (takeable: Takeable) => Promise<Lock>;

/**
 * Locks the state directory for this host. Where shares end with the process, the holder of the lock ends them when it
 * sees that the process has gone without closing the host. The kernel's parent-death signal would not do: it is lost
 * when a daemon changes its user, and reaches no child of a wrapper.
 *
 * @throws StatusError FailedPrecondition while another host has the state directory
 */
export function lockStateDirectory(
  { path, identity = '', scratchDir, host }: StateDirectory,
  {
    shares = 'end-with-process',
    waitMs,
  }: { shares?: ShareLifetime | undefined; waitMs?: number | undefined },
): Promise<Lock> {
  const onDeath = [process.execPath, AFTER_DEATH, path, identity, scratchDir];
  return lockFile(host.lock, { waitMs, ...(shares === 'end-with-process' ? { onDeath } : {}) });
}
