import { chmod, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Gives all below a directory, and itself, the modes of a package, whatever the umask and the modes of the checkout. */
export async function settleModes(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const path = join(entry.parentPath, entry.name);
    // oxlint-disable no-await-in-loop -- a few
    const isExecutable = entry.isDirectory() || ((await stat(path)).mode & 0o100) !== 0;
    await chmod(path, isExecutable ? 0o755 : 0o644);
    // oxlint-enable no-await-in-loop
  }
}
