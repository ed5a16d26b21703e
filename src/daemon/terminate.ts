import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { identify, type ProcessIdentity } from './process-identity.ts';

/**
 * Ends a process: SIGTERM, grace, SIGKILL to its whole process group, then waits for `exited`.
 * A process that is already gone, or a pid that another process has by now, is left alone.
 */
export async function terminate(
  target: ProcessIdentity,
  options: { timeoutMs: number; exited: Promise<unknown>; log: Logger },
): Promise<void> {
  const { exited, log, timeoutMs } = options;
  if (!signalProcess(target, 'SIGTERM')) {
    log.warn({ pid: target.pid }, 'Cannot signal the daemon: no such process');
    return;
  }
  const timer = new AbortController();
  const grace = delay(timeoutMs, 'late', { signal: timer.signal }).catch(() => 'cancelled');
  const first = await Promise.race([exited.then(() => 'gone'), grace]);
  timer.abort();
  if (first === 'gone') return;
  log.warn({ pid: target.pid, timeoutMs }, 'The daemon ignored SIGTERM; sending SIGKILL');
  signalProcess({ ...target, pid: target.pid }, 'SIGKILL', { group: true });
  await exited;
}

function signalProcess(target: ProcessIdentity, signal: NodeJS.Signals, { group = false } = {}): boolean {
  if (target.pid <= 1 || identify(target.pid)?.startTime !== target.startTime) return false;
  try {
    return process.kill(group ? -target.pid : target.pid, signal);
  } catch {
    return false;
  }
}
