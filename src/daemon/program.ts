import { accessSync, closeSync, constants, openSync, readSync } from 'node:fs';
import { DaemonError, messageOf } from '../errors.ts';

/**
 * Refuses what the kernel would not execute: the shell that is to become it would take it for a script of its own.
 *
 * @throws DaemonError naming the file
 */
export function requireProgram(path: string): void {
  let magic: string;
  try {
    accessSync(path, constants.X_OK);
    magic = readStart(path);
  } catch (cause) {
    throw new DaemonError(`Cannot run "${path}": ${messageOf(cause)}`, { cause });
  }
  if (magic === '\u007fELF' || magic.startsWith('#!')) return;
  throw new DaemonError(`Cannot run "${path}": it is neither a binary nor a script with "#!"`);
}

function readStart(path: string): string {
  const bytes = Buffer.alloc(4);
  const fd = openSync(path, 'r');
  try {
    return bytes.toString('latin1', 0, readSync(fd, bytes, 0, bytes.length, 0));
  } finally {
    closeSync(fd);
  }
}
