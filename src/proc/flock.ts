import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Code, StatusError } from 'ttrpc-ts';

/** flock(1)'s exit status for "somebody else holds it". */
const CONFLICT = 75;

/** What stands in the file while its holder ends what a dead process left, which is worth waiting for. */
const ENDING = 'ending';
/** How often and how long a lock is tried for whose holder does that, in milliseconds. */
const RETRY_MS = 50;
const MAX_ENDING_MS = 30_000;

/**
 * Says that the lock is held, even if nobody listens any more, and waits for the end of the process that it holds it for.
 */
const HOLD = `trap '' PIPE; : >"$0"; echo; read -r _; [ $# -eq 0 ] || { echo ${ENDING} >"$0"; exec "$@"; }`;

/** How a file is locked. */
export interface LockOptions {
  /** A command that the holder becomes, the lock in its hand, when this process ends without disposal. @default none */
  readonly onDeath?: readonly string[];
  /** How long another host that holds it is waited for, in milliseconds. @default 0 */
  readonly waitMs?: number | undefined;
}

/** A lock in the hand of a child. Disposal gives it up, and no command runs. */
export interface Lock extends AsyncDisposable {
  /** Resolves when nobody holds the lock for this process any more, because its holder was killed or by disposal. */
  readonly ended: Promise<void>;
  /** Lets a holder go on that somebody has stopped (SIGSTOP): else it would not see this process end. */
  wake(): void;
}

/**
 * Locks a file for as long as this process lives, or until disposal. A child holds it, because Node.js has no flock(2)
 * and a descriptor of ours would go to the daemons, which outlive us; the child ends when its standard input does.
 *
 * @param path absolute
 * @throws StatusError FailedPrecondition while another host holds it
 */
export async function lockFile(path: string, options: LockOptions = {}): Promise<Lock> {
  const deadline = performance.now() + MAX_ENDING_MS;
  for (;;) {
    // oxlint-disable no-await-in-loop -- a poll
    const lock = await tryLock(path, options);
    if (lock) return lock;
    if (!isEnding(path) || performance.now() > deadline) {
      const remedy = 'end it, or give this one a state directory of its own';
      throw new StatusError(Code.FailedPrecondition, `Another host uses "${path}": ${remedy}`);
    }
    await delay(RETRY_MS);
    // oxlint-enable no-await-in-loop
  }
}

/** Resolves to undefined while somebody else holds the lock. */
async function tryLock(path: string, { onDeath = [], waitMs = 0 }: LockOptions): Promise<Lock | undefined> {
  const patience = waitMs > 0 ? ['--timeout', `${waitMs / 1000}`] : ['--nonblock'];
  const flags = [...patience, '--conflict-exit-code', `${CONFLICT}`, '--no-fork'];
  const child = startHolder(path, ['flock', ...flags, path, 'sh', '-c', HOLD, path, ...onDeath]);
  const ending = endOf(child);
  const end = await Promise.race([untilHeld(child), ending]);
  if (end?.reason === CONFLICT) return undefined;
  if (end) throw lockError(path, end);
  return {
    ended: ending.then(() => {}),
    wake: () => void child.kill('SIGCONT'),
    async [Symbol.asyncDispose]() {
      // A line would do, but not where the holder has been stopped.
      child.kill('SIGKILL');
      await ending;
    },
  };
}

/** Not by execa: a host would have to load it before it announces itself. */
function startHolder(path: string, [command, ...args]: readonly [string, ...string[]]): ChildProcess {
  const { PATH } = process.env;
  try {
    return spawn(command, args, {
      stdio: ['pipe', 'pipe', 'ignore'],
      detached: true,
      cwd: '/',
      env: PATH === undefined ? {} : { PATH },
    });
  } catch (error) {
    // Of most failures the child tells.
    throw lockError(path, { reason: (error as NodeJS.ErrnoException).code });
  }
}

/** How the holder of a lock ended: its status, the signal, or the code of what kept it from being started. */
interface HolderEnd {
  readonly reason: number | string | undefined;
}

function endOf(child: ChildProcess): Promise<HolderEnd> {
  const { promise, resolve } = Promise.withResolvers<HolderEnd>();
  child.once('exit', (status, signal) => resolve({ reason: status ?? signal ?? undefined }));
  child.on('error', ({ code }: NodeJS.ErrnoException) => resolve({ reason: code }));
  return promise;
}

/** Where the machine has no descriptors left, it has no streams. */
async function untilHeld({ stdin, stdout }: ChildProcess): Promise<undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  stdout?.on('data', () => resolve(undefined));
  // A holder that was killed.
  for (const stream of [stdin, stdout]) stream?.on('error', () => {});
  return promise;
}

/** Gives up a lock that this process has become the holder of. */
export function releaseInherited(path: string): void {
  for (const fd of readdirSync('/proc/self/fd')) if (targetOf(fd) === path) closeSync(Number(fd));
}

function targetOf(fd: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    // The descriptor of the listing itself has gone by now.
    return undefined;
  }
}

function isEnding(path: string): boolean {
  try {
    return readFileSync(path, 'utf8').trim() === ENDING;
  } catch {
    return false;
  }
}

function lockError(path: string, { reason }: HolderEnd): StatusError {
  return reason === 'ENOENT'
    ? new StatusError(Code.Unavailable, `Cannot lock "${path}": there is no flock(1): install util-linux`)
    : new StatusError(
        Code.Unavailable,
        `Cannot lock "${path}": flock ended with ${reason}: check that its directory is writable`,
      );
}
