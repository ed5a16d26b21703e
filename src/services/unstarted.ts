import type { Sandbox } from '../host/contract.ts';
import type { Host } from '../host/host.ts';

/** The longest time that a timer of Node.js takes. */
const MAX_TIMER_MS = 0x7fff_ffff;

/** Pods' sandboxes that are still to be started. Disposal leaves them as they are. */
export interface Unstarted extends Disposable {
  /** Removes the sandbox when the deadline of its creation has passed and it was not started by then. */
  add(sandbox: Sandbox, deadline: Date): void;
  /** Keeps a sandbox that is being started. */
  remove(sandbox: Sandbox): void;
}

/**
 * Creates what removes sandboxes that nobody will ever start. CRI creates and starts a pod's within one call of the
 * kubelet, with one deadline. Where that call fails in between, as when containerd 2.3 cannot pull a pause image,
 * containerd forgets the sandbox without asking for its end, and the kubelet's next attempt makes another one.
 */
export function createUnstarted({ sandboxes, log }: Pick<Host, 'sandboxes' | 'log'>): Unstarted {
  const timers = new Map<Sandbox, NodeJS.Timeout>();
  let isDisposed = false;
  const abandon = async (sandbox: Sandbox): Promise<void> => {
    timers.delete(sandbox);
    if (!sandboxes.has(sandbox)) return;
    const { namespace, sandboxId } = sandbox;
    log.warn({ sandbox: sandboxId }, 'Removing a sandbox whose creator gave up before its start');
    await sandboxes
      .delete(namespace, sandboxId)
      .catch((err: unknown) => log.error({ sandbox: sandboxId, err }, 'Cannot remove an abandoned sandbox'));
  };
  return {
    add(sandbox, deadline) {
      if (isDisposed || timers.has(sandbox)) return;
      const left = Math.min(Math.max(deadline.getTime() - Date.now(), 0), MAX_TIMER_MS);
      timers.set(sandbox, setTimeout(() => void abandon(sandbox), left).unref());
    },
    remove(sandbox) {
      clearTimeout(timers.get(sandbox));
      timers.delete(sandbox);
    },
    [Symbol.dispose]() {
      isDisposed = true;
      for (const timer of timers.values()) clearTimeout(timer);
      timers.clear();
    },
  };
}
