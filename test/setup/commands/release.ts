import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { buildNpmPackages } from '../release/npm-packages.ts';
import { root } from '../release/root.ts';
import type { Command } from './command.ts';

/** Builds all that is published. */
export const release: Command = {
  synopsis: ['', 'build what is published into dist/'],
  async run({ signal }) {
    const target = join(root, 'dist');
    const files = await buildNpmPackages(join(target, 'npm'), signal);
    const sums = await Promise.all(files.map(sumOf));
    await writeFile(join(target, 'SHA256SUMS'), sums.join(''));
    for (const file of files) console.log(file);
    return 0;
  },
};

async function sumOf(file: string): Promise<string> {
  const sum = createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
  return `${sum}  ${basename(file)}\n`;
}
