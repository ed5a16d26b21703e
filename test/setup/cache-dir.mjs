import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Returns the folder, made if need be, that keeps what set-up downloads and builds, outside of any checkout. */
export function cacheDir() {
  const directory = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'containerd-shim-virtiofs');
  mkdirSync(join(directory, 'log'), { recursive: true });
  mkdirSync(join(directory, 'lock'), { recursive: true });
  return directory;
}
