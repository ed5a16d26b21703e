import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Returns the path of the first executable called `name` on the PATH or in `alsoIn`. */
export function findProgram(name: string, alsoIn: readonly string[] = []): string | undefined {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin', '/usr/sbin', ...alsoIn];
  return directories.map((directory) => join(directory, name)).find(isExecutable);
}

/** Tells whether this process may execute the file `path`. */
export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
