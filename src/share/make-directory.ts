import { mkdirSync } from 'node:fs';

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
