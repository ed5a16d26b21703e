import type { ChildProcess } from 'node:child_process';
import type { ExitStatus } from '../errors.ts';
import { openLifeSign } from '../proc/life-sign.ts';
import { identify, type ProcessIdentity } from '../proc/stat.ts';

/** A process and its end, whoever its parent is. */
export interface DaemonProcess {
  readonly identity: ProcessIdentity;
  /** Resolves once, when it is gone; never rejects. */
  readonly ended: Promise<ExitStatus>;
  /** Has its end noticed at once, because somebody waits for it. */
  expectEnd(): void;
}

/** How often a process that is not our child is looked at, in milliseconds. */
const WATCH_MS = 500;
/** How often it is looked at when its end is expected, in milliseconds. */
const EXPECT_MS = 5;

/** A child of this process. With its end goes what it or a wrapper left in its process group. */
export function childProcess(child: ChildProcess, identity: ProcessIdentity): DaemonProcess {
  const { promise: ended, resolve } = Promise.withResolvers<ExitStatus>();
  child.once('exit', (exitCode, signal) => {
    killGroup(identity.pid);
    resolve({ exitCode: exitCode ?? undefined, signal: signal ?? undefined });
  });
  return { identity, ended, expectEnd: () => {} };
}

/**
 * A process that another one started: nobody tells us its exit status. With its end goes what it left in its process
 * group. Watching keeps this process alive no longer.
 */
export function watchedProcess(
  identity: ProcessIdentity,
  { intervalMs = WATCH_MS }: { intervalMs?: number } = {},
): DaemonProcess {
  const { promise: ended, resolve } = Promise.withResolvers<ExitStatus>();
  const sign = openLifeSign(identity);
  let timer: NodeJS.Timeout | undefined;
  const look = (): void => {
    if (sign.isAlive()) return;
    clearInterval(timer);
    sign[Symbol.dispose]();
    // Those whom it left keep its number from being given to another process.
    if (!identify(identity.pid)) killGroup(identity.pid);
    resolve({});
  };
  const lookEvery = (ms: number): void => {
    clearInterval(timer);
    timer = setInterval(look, ms).unref();
  };
  lookEvery(intervalMs);
  return { identity, ended, expectEnd: () => lookEvery(EXPECT_MS) };
}

/** A process whose end was seen before, or is certain. */
export const endedProcess = (identity: ProcessIdentity, status: ExitStatus): DaemonProcess => ({
  identity,
  ended: Promise.resolve(status),
  expectEnd: () => {},
});

/** Called in the very turn in which the leader's exit is seen: nobody else has its number by then. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {} // nobody is left
}
