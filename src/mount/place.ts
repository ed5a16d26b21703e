import { closeSync, constants, fchmodSync, mkdirSync, openSync, rmdirSync, unlinkSync } from 'node:fs';

/** What something can be mounted on. Disposal closes the descriptor, and leaves the place. */
export interface Place extends Disposable {
  /** Of what is there, whatever its name is by now: a guest that renames it cannot have the mount made elsewhere. */
  readonly fd: number;
}

/** Makes an empty directory or file, readable by all. @throws EEXIST, and what else mkdir(2) and open(2) have */
export function makePlace(path: string, isDirectory: boolean): Place {
  if (isDirectory) mkdirSync(path);
  const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY } = constants;
  const fd = openSync(path, O_RDONLY | O_NOFOLLOW | (isDirectory ? O_DIRECTORY : O_CREAT | O_EXCL), 0o444);
  // The umask of a host that a shim started leaves nothing to others.
  fchmodSync(fd, isDirectory ? 0o755 : 0o444);
  return { fd, [Symbol.dispose]: () => closeSync(fd) };
}

/** Removes a place; what is gone, or has something in it, is no error. */
export function removePlace(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'ENOTDIR') removeFile(path);
    else if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(code)) throw error;
  }
}

function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
