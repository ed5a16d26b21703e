import { createHash } from 'node:crypto';
import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheDir } from '../setup/cache-dir.mjs';
import { cached } from '../setup/cached.ts';
import { obtainOrSkip, type ObtainedOrSkip } from '../setup/obtain.ts';
import { goEnvironment } from '../setup/parts/go.ts';
import { runTool } from '../setup/tool.ts';

/** Builds the Go side of these tests, unless it is in the cache; or says why this machine cannot. */
export async function buildGoProgram(): Promise<ObtainedOrSkip<string>> {
  const go = await obtainOrSkip('go');
  if (go.skip !== false) return go;
  const name = `ttrpc-interop-${await hashSources()}`;
  const doing = "Building ttrpc's Go side";
  const { signal } = new AbortController();
  const make = async (directory: string): Promise<void> => {
    const log = join(cacheDir(), 'log', 'ttrpc-interop.log');
    const output = join(directory, 'ttrpc-interop');
    await runTool(go.part, ['-C', sourceDir, 'build', '-trimpath', '-o', output, '.'], {
      signal,
      log,
      env: goEnvironment,
    });
  };
  const directory = await cached({ name, doing, make }, { signal });
  return { part: join(directory, 'ttrpc-interop'), skip: false };
}

const sourceDir = fileURLToPath(new URL('go/', import.meta.url));

async function hashSources(): Promise<string> {
  const hash = createHash('sha256');
  const files = await Array.fromAsync(glob('**/*.{go,mod,sum}', { cwd: sourceDir }));
  for (const file of files.toSorted()) hash.update(`${file}\0`).update(await readFile(join(sourceDir, file)));
  return hash.digest('hex').slice(0, 16);
}
