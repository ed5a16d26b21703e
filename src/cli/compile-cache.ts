import { lstatSync } from 'node:fs';
import { enableCompileCache, getCompileCacheDir } from 'node:module';
import { RELEASE } from '../package.ts';

/** Where a package for nodes keeps what Node.js has compiled. */
const RELEASE_CACHE = '/var/cache/containerd-shim-virtiofs';

/** Uses what a package for nodes has compiled, where this program is of one. */
export function useReleaseCache(): void {
  if (RELEASE !== undefined) useCompileCache(RELEASE_CACHE);
}

/**
 * Has Node.js take what it loads from now on out of a directory, compiled, and put there what is not in it. Whoever can write
 * there decides what this program does: a directory that is not there, or not this user's alone, is left alone. So is the
 * choice of an operator (`NODE_COMPILE_CACHE`, `NODE_DISABLE_COMPILE_CACHE`).
 */
export function useCompileCache(directory: string): void {
  if (getCompileCacheDir() !== undefined || !isOwn(directory)) return;
  const umask = process.umask(0o022);
  enableCompileCache(directory);
  process.umask(umask);
}

function isOwn(directory: string): boolean {
  try {
    const found = lstatSync(directory);
    return found.isDirectory() && found.uid === process.geteuid?.() && (found.mode & 0o022) === 0;
  } catch {
    return false;
  }
}
