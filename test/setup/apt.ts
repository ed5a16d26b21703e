import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { cacheDir } from './cache-dir.mjs';
import { acquireLock } from './lock.mjs';
import type { SetupContext } from './part.ts';
import { SetupError } from './setup-error.ts';
import { runTool } from './tool.ts';

/**
 * Installs Debian packages without those they recommend. It needs root; without it, the error has the command.
 * An abort takes effect before dpkg starts, never inside it.
 */
export async function installPackages(packages: readonly string[], context: SetupContext): Promise<void> {
  const install = ['install', '--yes', '--no-install-recommends', ...packages];
  if (process.getuid?.() !== 0) {
    throw new SetupError(
      `These Debian packages are missing, and installing them needs root: run "sudo apt-get ${install.join(' ')}"`,
    );
  }
  const release = await acquireLock(join(cacheDir(), 'lock', 'apt-install'), context);
  try {
    await withFreshLists(() => aptGet([...install, '--download-only'], context), context);
    await aptGet(install, { ...context, signal: new AbortController().signal });
  } finally {
    await release();
  }
}

/** Tells whether all of these Debian packages are installed. */
export async function isInstalled(packages: readonly string[], context: SetupContext): Promise<boolean> {
  const query = runTool('dpkg-query', ['--show', '--showformat=${db:Status-Status}\n', ...packages], context);
  return query.then(
    (states) => states.split('\n').every((state) => state === 'installed'),
    () => false,
  );
}

/** Downloads the files of Debian packages into `directory`; that needs no root. */
export async function downloadPackages(
  packages: readonly string[],
  directory: string,
  context: SetupContext,
): Promise<void> {
  await withFreshLists(() => aptGet(['download', ...packages], { ...context, cwd: directory }), context);
}

/** Runs a query of the package lists; where it fails or finds nothing, fetches the lists and runs it once more. */
export async function withFreshLists<T>(query: () => Promise<T>, context: SetupContext): Promise<T> {
  const start = performance.now();
  try {
    return await query();
  } catch (error) {
    context.signal.throwIfAborted();
    if (process.getuid?.() !== 0) throw error;
    const update = await updateLists(start, context).catch((reason: unknown) => ({ reason }));
    return query().catch((again: unknown) => {
      throw update === undefined ? again : update.reason;
    });
  }
}

let listsUpdatedAt = -Infinity;

async function updateLists(neededSince: number, context: SetupContext): Promise<void> {
  const release = await acquireLock(join(cacheDir(), 'lock', 'apt-update'), context);
  try {
    if (listsUpdatedAt > neededSince) return;
    await aptGet(['update', '--error-on=any'], context);
    listsUpdatedAt = performance.now();
  } finally {
    await release();
  }
}

async function aptGet(args: readonly string[], context: SetupContext & { cwd?: string }): Promise<void> {
  const options = ['-o', 'DPkg::Lock::Timeout=300', '-o', 'APT::Sandbox::User=root', '-qq'];
  const run = (): Promise<string> =>
    runTool('apt-get', [...options, ...args], { ...context, env: { DEBIAN_FRONTEND: 'noninteractive' } });
  for (let attempt = 1; ; attempt += 1) {
    try {
      await run();
      return;
    } catch (error) {
      const busy = error instanceof SetupError && /Could not get lock/.test(error.message);
      if (!busy || attempt === 30) throw error;
      await sleep(2000, undefined, { signal: context.signal });
    }
  }
}
