import { existsSync } from 'node:fs';
import { glob, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cacheDir } from './cache-dir.mjs';
import { acquireLock } from './lock.mjs';
import type { SetupContext } from './part.ts';
import { withProgress } from './progress.ts';

/** Something kept in the cache. */
export interface CachedOptions {
  /** Name and version, which together are its folder. */
  readonly name: string;
  /** What the person reads while it is made. */
  readonly doing: string;
  /** Makes it inside an empty folder, which is discarded if this rejects. */
  readonly make: (directory: string) => Promise<void>;
  /** Where it is kept. @default the project's cache */
  readonly cache?: string;
}

const underWay = new Map<string, Promise<string>>();

/**
 * Resolves to the folder of something kept in the cache, made first where it is missing.
 * The folder appears whole or not at all; of two processes that want it, one makes it and the other waits.
 */
export async function cached(options: CachedOptions, context: Pick<SetupContext, 'signal'>): Promise<string> {
  const directory = join(options.cache ?? cacheDir(), options.name);
  if (existsSync(directory)) return directory;
  const result = underWay.get(directory) ?? makeAlone(directory, options, context);
  underWay.set(directory, result);
  try {
    return await result;
  } finally {
    underWay.delete(directory);
  }
}

async function makeAlone(
  directory: string,
  { name, doing, make }: CachedOptions,
  { signal }: Pick<SetupContext, 'signal'>,
): Promise<string> {
  const release = await acquireLock(join(dirname(directory), 'lock', name), {
    onWait: () => console.error(`Waiting for another run: ${doing}`),
    signal,
  });
  try {
    if (!existsSync(directory)) await withProgress(doing, () => makeWhole(directory, make));
    return directory;
  } finally {
    await release();
  }
}

async function makeWhole(directory: string, make: (directory: string) => Promise<void>): Promise<void> {
  for await (const leftover of glob(`${directory}.tmp-*`)) await rm(leftover, { recursive: true });
  const temporary = await mkdtemp(`${directory}.tmp-`);
  try {
    await make(temporary);
    await rename(temporary, directory);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}
