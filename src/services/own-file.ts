import { lstatSync, renameSync, rmSync, writeFileSync } from 'node:fs';

/** A file that this process made at a path that another process may take later. */
export interface OwnFile {
  /** False where it is gone, or another one has taken its place. */
  isInPlace(): boolean;
  /** Removes the file, unless another one has taken its place. */
  remove(): void;
}

/** Takes what stands at a path for this process's own. */
export function ownFile(path: string): OwnFile {
  const identity = identityOf(path);
  const isInPlace = (): boolean => identity !== undefined && identityOf(path) === identity;
  return {
    isInPlace,
    remove() {
      if (isInPlace()) rmSync(path, { force: true });
    },
  };
}

/** Writes a file in one step, so that no reader sees half of it; a link at the path is replaced, not followed. */
export function writeOwnFile(path: string, text: string): OwnFile {
  const written = `${path}.new`;
  rmSync(written, { force: true });
  writeFileSync(written, text, { mode: 0o600, flag: 'wx' });
  renameSync(written, path);
  return ownFile(path);
}

/** With the time of its last change, because a file system gives a number again. */
function identityOf(path: string): string | undefined {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return stat && `${stat.dev}:${stat.ino}:${stat.mtimeNs}`;
}
