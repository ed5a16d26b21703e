import { AFTER_DEATH } from '../package.ts';
import { lockFile, type Lock } from '../proc/flock.ts';
import type { StateDirectory } from '../share/state-directory.ts';

/** What becomes of shares when the process of their host ends without closing it. */
export type ShareLifetime = 'end-with-process' | 'outlive-process';

/**
 * Locks the state directory for this host. Where shares end with the process, the holder of the lock ends them when it
 * sees that the process has gone without closing the host. The kernel's parent-death signal would not do: it is lost
 * when a daemon changes its user, and reaches no child of a wrapper.
 *
 * @throws StatusError FailedPrecondition while another host has the state directory
 */
export function lockStateDirectory(
  { path, identity = '', scratchDir, host }: StateDirectory,
  shares: ShareLifetime = 'end-with-process',
): Promise<Lock> {
  const onDeath = [process.execPath, AFTER_DEATH, path, identity, scratchDir];
  return lockFile(host.lock, shares === 'end-with-process' ? { onDeath } : {});
}
