import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from './root.ts';

/** The licence texts of these packages, one after the other. @throws Error naming one that has none */
export async function licences(names: readonly string[]): Promise<string> {
  const texts = await Promise.all(names.map(async (name) => `${name}\n\n${await licenceOf(name)}`));
  return texts.join(`\n${'-'.repeat(80)}\n\n`);
}

/** The licence of Node.js and of its parts. @throws Error where the development's own Node.js came without */
export async function licenceOfNode(): Promise<string> {
  const pattern = 'node_modules/{node/node_modules/,}node-linux-*/LICENSE';
  const [file] = await Array.fromAsync(glob(pattern, { cwd: root }));
  if (!file) throw new Error('Package "node" has no licence of Node.js: run "npm ci"');
  return readFile(join(root, file), 'utf8');
}

async function licenceOf(name: string): Promise<string> {
  const folder = join(root, 'node_modules', name);
  const [file] = (await Array.fromAsync(glob('{LICENSE,LICENCE,license}*', { cwd: folder }))).toSorted();
  if (file) return readFile(join(folder, file), 'utf8');
  const { license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as {
    license?: string;
  };
  if (!license) throw new Error(`Package "${name}" says no licence`);
  return `License: ${license}\n`;
}
