import { createHash } from 'node:crypto';
import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Resolves to 16 hexadecimal digits that stand for names and content of the files below `directory` that match. */
export async function hashFiles(directory: string, patterns: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  const files = await Array.fromAsync(glob(patterns, { cwd: directory }));
  for (const file of files.toSorted()) hash.update(`${file}\0`).update(await readFile(join(directory, file)));
  return hash.digest('hex').slice(0, 16);
}
