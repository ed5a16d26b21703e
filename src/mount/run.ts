import { spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { Code, StatusError } from 'ttrpc-ts';
import { abortable } from '../async/abortable.ts';
import { takeTurn } from '../async/take-turn.ts';
import { forgetMounts } from '../proc/mountinfo.ts';

/** How long mount(8) and umount(8) may take where nobody says it, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** How one of them is run. */
export interface MountOptions {
  readonly signal?: AbortSignal | undefined;
  /** In milliseconds. @default 10000 */
  readonly timeoutMs?: number | undefined;
}

/**
 * Runs mount(8) or umount(8), which may hang as the file system does that it touches: then it is killed and given up, and
 * neither the event loop nor another call waits for it.
 *
 * @param about names it in errors
 * @param options.fd becomes its descriptor 0
 * @throws StatusError Unavailable with its words, DeadlineExceeded; the signal's reason
 */
export async function runMount(
  program: 'mount' | 'umount',
  args: readonly string[],
  {
    about,
    fd = 'ignore',
    signal,
    timeoutMs = TIMEOUT_MS,
  }: MountOptions & { about: string; fd?: number | 'ignore' | undefined },
): Promise<void> {
  await takeTurn();
  signal?.throwIfAborted();
  // Not by execa: what it does besides takes a third of the time of the mount itself.
  const child = spawn(placeOf(program), args, {
    stdio: [fd, 'ignore', 'pipe'],
    detached: true,
    cwd: '/',
    // By mount(2): since util-linux 2.39 mount(8) takes move_mount(2) where it can, which does not follow /proc/self/fd/0.
    env: { ...process.env, LC_ALL: 'C', LIBMOUNT_FORCE_MOUNT2: 'always' },
  });
  const limit = AbortSignal.timeout(timeoutMs);
  const either = signal ? AbortSignal.any([signal, limit]) : limit;
  const ending = abortable(problemOf(child), either).finally(forgetMounts);
  const problem = await ending.catch((error: unknown) => {
    child.kill('SIGKILL');
    child.stderr?.destroy();
    child.unref();
    if (error !== limit.reason) throw error;
    const message = `Cannot ${program} "${about}": no answer within ${timeoutMs} ms: its file system hangs: check its server`;
    throw new StatusError(Code.DeadlineExceeded, message);
  });
  if (problem !== undefined)
    throw new StatusError(Code.Unavailable, `Cannot ${program} "${about}": ${problem}`);
}

/** Looked up here, because a child would try to execute it in each directory of a long PATH. */
function placeOf(program: string): string {
  const places = (process.env['PATH'] ?? '').split(':').map((directory) => `${directory}/${program}`);
  return places.find((place) => place.startsWith('/') && isExecutable(place)) ?? program;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Resolves to why a process did not do what it was to; undefined where it did. */
function problemOf(child: ChildProcess): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  let words = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (words += chunk));
  child.once('error', ({ message }) => resolve(message));
  child.once('close', (code, endedBy) => {
    const said = words.trimEnd() || (endedBy ? `${endedBy} ended it` : `it ended with status ${code}`);
    resolve(code === 0 ? undefined : said);
  });
  return promise;
}
