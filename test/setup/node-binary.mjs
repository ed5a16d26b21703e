import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDir } from './cache-dir.mjs';
import { acquireLock } from './lock.mjs';
import { npm } from './npm.mjs';

const OLDEST_MAJOR = 24;

/** Tells whether the Node that runs this is too old for the project. */
export function needsNewerNode() {
  return !isNewEnough(process.execPath);
}

/** Returns the path of a Node that runs this project: our own, the one of the npm package, or one kept in the cache. */
export async function findNode(root) {
  const candidates = [process.execPath, join(root, 'node_modules/node/bin/node')];
  return candidates.find(isNewEnough) ?? downloadNode(root);
}

function isNewEnough(path) {
  if (path === process.execPath) return Number.parseInt(process.versions.node, 10) >= OLDEST_MAJOR;
  try {
    return (
      Number.parseInt(execFileSync(path, ['-p', 'process.versions.node'], { encoding: 'utf8' }), 10) >=
      OLDEST_MAJOR
    );
  } catch {
    return false;
  }
}

/** The npm package `node` links its binary in an install script, which npm may have been told not to run. */
async function downloadNode(root) {
  const { version } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages[
    'node_modules/node'
  ];
  const name = `node-${process.platform}-${process.arch}`;
  const home = join(cacheDir(), `${name}-${version}`);
  const binary = join(home, 'node_modules', name, 'bin/node');
  if (existsSync(binary)) return binary;
  const release = await acquireLock(join(cacheDir(), 'lock', name));
  try {
    if (existsSync(binary)) return binary;
    console.error(`Fetching Node ${version} (once)`);
    const temporary = mkdtempSync(`${home}.tmp-`);
    try {
      writeFileSync(join(temporary, 'package.json'), '{}');
      await npm(['install', '--ignore-scripts', `${name}@${version}`], temporary);
      renameSync(temporary, home);
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
  } finally {
    await release();
  }
  return binary;
}
