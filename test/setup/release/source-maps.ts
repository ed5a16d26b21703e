import { glob, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

/**
 * Has each source map below `directory` name its source as if it stood beside: its text is in the map, and where it stood
 * when it was compiled is nobody's business.
 */
export async function nameSourcesBeside(directory: string): Promise<void> {
  for await (const path of glob('**/*.js.map', { cwd: directory })) {
    const file = join(directory, path);
    const map = JSON.parse(await readFile(file, 'utf8')) as { sources: string[]; sourcesContent?: string[] };
    if (map.sourcesContent?.length !== map.sources.length) throw new Error(`"${file}" lacks its source`);
    const sources = map.sources.map((source) => basename(source));
    await writeFile(file, JSON.stringify({ ...map, sources }));
  }
}
