import { accessSync, closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { Code, StatusError } from 'ttrpc-ts';
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

/**
 * Refuses what the kernel would not execute: the shell that is to become it would take it for a script of its own.
 *
 * @throws StatusError NotFound, PermissionDenied or InvalidArgument, naming the file and the remedy
 */
export function requireProgram(path: string, words: ProgramWords = {}): void {
  const { what = 'Program', whereMissing = 'install it', whereWrong = 'name the program itself' } = words;
  let magic: string;
  try {
    magic = readStart(path);
    accessSync(path, constants.X_OK);
  } catch (cause) {
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
export function isProgram(path: string): boolean {
  try {
    requireProgram(path);
    return true;
  } catch {
    return false;
  }
}

/** The first bytes of a regular file; anything else is answered as a directory is. */
function readStart(path: string): string {
  const bytes = Buffer.alloc(4);
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!fstatSync(fd).isFile()) throw Object.assign(new Error('not a file'), { code: 'EISDIR' });
    return bytes.toString('latin1', 0, readSync(fd, bytes, 0, bytes.length, 0));
  } finally {
    closeSync(fd);
  }
}
