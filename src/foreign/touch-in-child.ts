import type { ChildProcess } from 'node:child_process';
import { Code, StatusError } from 'ttrpc-ts';
import { abortable } from '../async/abortable.ts';
import { loadExeca } from '../proc/execa.ts';
import type { Mount } from '../proc/mountinfo.ts';

/** How long a touch of a foreign path waits. */
export interface TouchOptions {
  readonly signal?: AbortSignal | undefined;
  /** In milliseconds. @default 5000 */
  readonly timeoutMs?: number | undefined;
}

/** A path, and the mount that it leads to. */
export interface Place {
  readonly path: string;
  readonly mount: Pick<Mount, 'id' | 'mountpoint' | 'fileSystem'>;
}

const TIMEOUT_MS = 5000;
/** So many may hang on one mount: each is a process that nobody can end. */
const MAX_HUNG = 8;

const hung = new Set<Place>();

/** The paths of touches that were given up and still hang. */
export const hungPaths = (): string[] => [...hung].map(({ path }) => path);

/**
 * Runs a program that touches a path by a single process, and resolves to its output. A child can be given up: neither the event loop nor a
 * thread of libuv nor the end of this process waits for the file system with it.
 *
 * @throws StatusError DeadlineExceeded where the file system hangs, Unavailable where an earlier touch hangs still; the
 *   signal's reason; a system's error where the program failed
 */
export async function touchInChild(
  [command, ...args]: readonly [string, ...string[]],
  place: Place,
  { signal, timeoutMs = TIMEOUT_MS }: TouchOptions,
): Promise<Buffer> {
  const execa = await loadExeca();
  requireHope(place);
  const subprocess = execa(command, args, {
    stdin: 'ignore',
    encoding: 'buffer',
    stripFinalNewline: false,
    detached: true,
    cleanup: false,
    reject: false,
    cwd: '/',
    extendEnv: false,
    env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C' },
  });
  const limit = AbortSignal.timeout(timeoutMs);
  const either = signal ? AbortSignal.any([signal, limit]) : limit;
  const result = await abortable(subprocess, either).catch((error: unknown) => {
    giveUp(subprocess.nodeChildProcess, place);
    if (!limit.aborted || signal?.aborted) throw error;
    throw hangs(Code.DeadlineExceeded, place, `does not answer within ${timeoutMs} ms`);
  });
  if (!result.failed) return Buffer.from(result.stdout);
  throw systemError(place, Buffer.from(result.stderr ?? '').toString() || (result.shortMessage ?? ''));
}

/** Not one more process that nobody can end where there is no hope; a mount that replaces this one is another. */
function requireHope(place: Place): void {
  const others = [...hung].filter(({ mount }) => mount.id === place.mount.id);
  if (others.length < MAX_HUNG && others.every(({ path }) => path !== place.path)) return;
  throw hangs(Code.Unavailable, place, 'still does not answer');
}

/** SIGKILL ends it, or it stays until the file system answers. */
function giveUp(child: ChildProcess | undefined, place: Place): void {
  if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  hung.add(place);
  child.once('exit', () => hung.delete(place));
  child.kill('SIGKILL');
  child.stdout?.destroy();
  child.stderr?.destroy();
  child.unref();
}

function hangs(code: Code, { path, mount }: Place, what: string): StatusError {
  const where = `${mount.fileSystem} on "${mount.mountpoint}"`;
  const count = hung.size > 1 ? ` (${hung.size} paths hang)` : '';
  return new StatusError(
    code,
    `"${path}" ${what}: its file system (${where}) hangs: check its server, or unmount it${count}`,
  );
}

/** The errors that callers tell apart, by their text (strerror(3)); others are known by their text alone. */
const CODES = new Map([
  ['No such file or directory', 'ENOENT'],
  ['Not a directory', 'ENOTDIR'],
  ['Is a directory', 'EISDIR'],
  ['Permission denied', 'EACCES'],
  ['Too many levels of symbolic links', 'ELOOP'],
  ['File name too long', 'ENAMETOOLONG'],
]);

/** As Node would have thrown it. */
function systemError({ path }: Place, output: string): Error {
  const text = output.trimEnd().split(': ').at(-1) ?? '';
  const code = CODES.get(text);
  return Object.assign(new Error(`${code === undefined ? '' : `${code}: `}${text}, '${path}'`), {
    code,
    path,
  });
}
