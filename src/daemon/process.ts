import type { ChildProcess } from 'node:child_process';
import type { ExitStatus } from '../errors.ts';
import { isAlive, type ProcessIdentity } from '../proc/stat.ts';

/** A process and its end, whoever its parent is. */
export interface DaemonProcess {
  readonly identity: ProcessIdentity;
  /** Resolves once, when it is gone; never rejects. */
  readonly ended: Promise<ExitStatus>;
}

/** How often a process that is not our child is looked at, in milliseconds. */
const WATCH_MS = 500;

/** A child of this process. With its end goes what it or a wrapper left in its process group. */
export function childProcess(child: ChildProcess, identity: ProcessIdentity): DaemonProcess {
  const { promise: ended, resolve } = Promise.withResolvers<ExitStatus>();
  child.once('exit', (exitCode, signal) => {
    killGroup(identity.pid);
    resolve({ exitCode: exitCode ?? undefined, signal: signal ?? undefined });
  });
  return { identity, ended };
}

/** A process that another one started: nobody tells us its exit status. Watching keeps this process alive no longer. */
export function watchedProcess(
  identity: ProcessIdentity,
  { intervalMs = WATCH_MS }: { intervalMs?: number } = {},
): DaemonProcess {
  const { promise: ended, resolve } = Promise.withResolvers<ExitStatus>();
  const timer = setInterval(() => {
    if (isAlive(identity)) return;
    clearInterval(timer);
    resolve({});
  }, intervalMs);
  timer.unref();
  return { identity, ended };
}

/** Called in the very turn in which the leader's exit is seen: nobody else has its number by then. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {} // nobody is left
}
