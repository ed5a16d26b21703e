import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDir } from './cache-dir.mjs';
import { acquireLock } from './lock.mjs';
import { npm } from './npm.mjs';

/** Runs `npm ci` in `root` unless its node_modules already match its package-lock.json. */
export async function installDependencies(root) {
  if (dependenciesMatch(root)) return;
  const id = createHash('sha256').update(root).digest('hex').slice(0, 16);
  const release = await acquireLock(join(cacheDir(), 'lock', `npm-${id}`), {
    onWait: () => console.error('Waiting for another run that installs the npm dependencies here'),
  });
  try {
    if (dependenciesMatch(root)) return;
    console.error('Installing the npm dependencies (once)');
    await install(root);
  } finally {
    await release();
  }
}

async function install(root) {
  // npm retries each package for a minute, so ask for one first to find out at once that there is no network.
  await npm(['view', 'node', 'version', '--fetch-retries=1', '--fetch-retry-mintimeout=1000'], root);
  try {
    await npm(['ci'], root);
  } catch (error) {
    if (!lacksUnknownPackages(error.output ?? '')) throw error;
    await npm(['install', '--no-save'], root); // which keeps to the lock file too
  }
}

/**
 * A registry may lack the builds of optional packages for other machines. npm 11 then refuses a lock file without
 * them, although it could neither name their version nor needs them.
 */
function lacksUnknownPackages(output) {
  const missing = [...output.matchAll(/Missing: \S+@(\S*) from lock file/g)];
  return (
    missing.length > 0 && missing.every(([, version]) => version === '') && !output.includes('Invalid: ')
  );
}

/** Compares the lock file with the record that npm keeps inside node_modules of what it has installed there. */
function dependenciesMatch(root) {
  const wanted = readPackages(join(root, 'package-lock.json'));
  const installed = readPackages(join(root, 'node_modules/.package-lock.json'));
  return Object.entries(wanted).every(([path, entry]) => {
    if (!path.startsWith('node_modules/')) return true;
    const found = installed[path];
    if (found === undefined) return Boolean(entry.optional);
    return found.version === entry.version && found.integrity === entry.integrity;
  });
}

function readPackages(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages;
  } catch {
    return {};
  }
}
