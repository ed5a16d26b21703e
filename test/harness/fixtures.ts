import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Path of a program in test/fixtures. */
export const fixture = (name: string): string =>
  fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

/** Makes a program of a fixture that this very Node must run: PATH may have none, or an older one. */
export async function nodeFixture(name: string, directory: string): Promise<string> {
  return executable(
    join(directory, name),
    `#!/bin/sh\nexec '${process.execPath}' '${fixture(`${name}.ts`)}' "$@"\n`,
  );
}

/** Writes an executable file. */
export async function executable(path: string, content: string | Buffer): Promise<string> {
  await writeFile(path, content);
  await chmod(path, 0o755);
  return path;
}
