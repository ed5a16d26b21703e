import { mkdirSync } from 'node:fs';
import { systemStatus } from '../proc/system-error.ts';

/**
 * Makes a directory that only its owner can enter, in one that is there. Not by `recursive`, with which Node.js says of a
 * file system that is read-only that the directory does not exist.
 */
export function makeUnlessThere(directory: string): void {
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Makes a directory of a host's own, with what leads to it. @throws StatusError that names it and what helps */
export function makeHostDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw systemStatus(error, { doing: "Cannot make a host's directory" }) ?? error;
  }
}
