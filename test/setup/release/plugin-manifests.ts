import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { put } from './put.ts';
import { root } from './root.ts';

/** Writes the manifests of our plugins below `target`, with the compiled entry in place of the source. */
export async function copyManifests(target: string): Promise<void> {
  const folders = await readdir(join(root, 'plugin'), { withFileTypes: true });
  for (const { name } of folders.filter((folder) => folder.isDirectory())) {
    const path = join('plugin', name, 'plugin.toml');
    // oxlint-disable no-await-in-loop -- a few
    const text = await readFile(join(root, path), 'utf8');
    const built = text.replace(/^(entry = ".*)\.ts"$/m, '$1.js"');
    if (built === text) throw new Error(`"${path}" names no entry in TypeScript`);
    await put(join(target, path), built);
    // oxlint-enable no-await-in-loop
  }
}
