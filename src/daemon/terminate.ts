import type { Logger } from 'pino';
import { takeTurn } from '../async/take-turn.ts';
import { isAlive, type ProcessIdentity } from '../proc/stat.ts';

/**
 * When SIGTERM is sent a second time, in milliseconds: the C virtiofsd only notes a signal, and so misses one that comes
 * after it has said that it waits and before it does.
 */
const REPEAT_MS = 100;

/**
 * Ends a process: SIGTERM, grace, SIGKILL to its whole process group, then waits for `exited`.
 * A process that is already gone, or a pid that another process has by now, is left alone.
 */
export async function terminate(
  target: ProcessIdentity,
  options: { timeoutMs: number; exited: Promise<unknown>; log: Logger },
): Promise<void> {
  const { exited, log, timeoutMs } = options;
  // Their ends come as they are asked for: each is followed by system calls that are many together.
  await takeTurn();
  if (!signalProcess(target, 'SIGTERM')) {
    log.warn({ pid: target.pid }, 'Cannot signal the daemon: no such process');
    return;
  }
  const firstMs = Math.min(REPEAT_MS, timeoutMs);
  if (await endsWithin(firstMs, exited)) return;
  signalProcess(target, 'SIGTERM');
  if (await endsWithin(timeoutMs - firstMs, exited)) return;
  log.warn({ pid: target.pid, timeoutMs }, 'The daemon ignored SIGTERM; sending SIGKILL');
  signalProcess(target, 'SIGKILL', { group: true });
  await exited;
}

async function endsWithin(ms: number, exited: Promise<unknown>): Promise<boolean> {
  // Not a promise of Node's with a signal: to abort it makes two errors, and daemons end by the hundred.
  const { promise: grace, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(resolve, ms, false);
  const isGone = await Promise.race([exited.then(() => true), grace]);
  clearTimeout(timer);
  return isGone;
}

function signalProcess(target: ProcessIdentity, signal: NodeJS.Signals, { group = false } = {}): boolean {
  if (target.pid <= 1 || !isAlive(target)) return false;
  try {
    return process.kill(group ? -target.pid : target.pid, signal);
  } catch {
    return false;
  }
}
