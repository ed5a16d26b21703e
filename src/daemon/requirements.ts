import { accessSync, closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { Code, StatusError } from 'ttrpc-ts';
import { isFile, statBy } from '../foreign/stat.ts';
import { touch, type Touch } from '../foreign/touch.ts';
import type { TouchOptions } from '../foreign/touch-in-child.ts';
import { systemStatus } from '../proc/system-error.ts';

/** How errors about a program speak of it. */
export interface ProgramWords {
  /** What it is. @default "Program" */
  readonly what?: string;
  /** What to do where there is no such file. @default "install it" */
  readonly whereMissing?: string;
  /** What to do where the file is no program. @default "name the program itself" */
  readonly whereWrong?: string;
}

/** What requireProgram() reads of a file, in bytes. */
const START_BYTES = 4;
const ANY_MAY_EXECUTE = 0o111;

/**
 * Refuses what the kernel would not execute: the shell that is to become it would take it for a script of its own.
 *
 * @throws StatusError NotFound, PermissionDenied or InvalidArgument, naming the file and the remedy; DeadlineExceeded or
 *   Unavailable where its file system hangs; the signal's reason
 */
export async function requireProgram(path: string, words: ProgramWords & TouchOptions = {}): Promise<void> {
  const { what = 'Program', whereMissing = 'install it', whereWrong = 'name the program itself' } = words;
  let magic: string;
  try {
    magic = await touch(path, startOf(path), words);
  } catch (cause) {
    if (StatusError.is(cause)) throw cause;
    words.signal?.throwIfAborted();
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT')
      throw new StatusError(Code.NotFound, `${what} "${path}" does not exist: ${whereMissing}`, { cause });
    if (code === 'EACCES' || code === 'EISDIR') throw notExecutable(cause);
    throw systemStatus(cause, { doing: `Cannot read ${what}`, path }) ?? cause;
  }
  if (magic === '\u007fELF' || magic.startsWith('#!')) return;
  const problem = 'is neither a binary nor a script with "#!"';
  throw new StatusError(Code.InvalidArgument, `${what} "${path}" ${problem}: ${whereWrong}`);

  function notExecutable(cause: unknown): StatusError {
    const message = `${what} "${path}" is not an executable file: ${whereWrong}`;
    return new StatusError(Code.PermissionDenied, message, { cause });
  }
}

/** True for what {@link requireProgram} lets pass. */
export async function isProgram(path: string): Promise<boolean> {
  try {
    await requireProgram(path);
    return true;
  } catch {
    return false;
  }
}

/** The touch of {@link requireProgram}. */
export const startOf = (path: string): Touch<string> => ({
  direct: () => knownStart(path) ?? readStart(path),
  inChild: async (run) => {
    const found = await statBy(run, path);
    if (!isFile(found)) throw systemError('EISDIR');
    if ((found.mode & ANY_MAY_EXECUTE) === 0) throw systemError('EACCES');
    return (await run('head', '-c', `${START_BYTES}`, '--', path)).toString('latin1');
  },
});

/** What was read of a program, and of which file: who starts the same one again only looks whether it is the same. */
const starts = new Map<string, { readonly file: string; readonly start: string }>();

/** The first bytes of a file that was read and has not changed since; the kernel still says whether it may be executed. */
function knownStart(path: string): string | undefined {
  const known = starts.get(path);
  if (known?.file !== fileAt(path)) return undefined;
  accessSync(path, constants.X_OK);
  return known.start;
}

function fileAt(path: string): string {
  const { dev, ino, mode, size, mtimeMs, ctimeMs } = statSync(path);
  return [dev, ino, mode, size, mtimeMs, ctimeMs].join(':');
}

/** The first bytes of an executable file; anything that is no file is answered as a directory is. */
function readStart(path: string): string {
  const bytes = Buffer.alloc(START_BYTES);
  const file = fileAt(path);
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!fstatSync(fd).isFile()) throw systemError('EISDIR');
    accessSync(path, constants.X_OK);
    const start = bytes.toString('latin1', 0, readSync(fd, bytes, 0, bytes.length, 0));
    starts.set(path, { file, start });
    return start;
  } finally {
    closeSync(fd);
  }
}

const systemError = (code: string): Error => Object.assign(new Error(code), { code });
