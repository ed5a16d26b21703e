import { spawn } from 'node:child_process';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDir } from './cache-dir.mjs';

const networkFailure =
  /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET_TIMEOUT)\b/;

/** Runs npm quietly in `cwd`; rejects with npm's own last lines, where they are kept, and how to mend it. */
export async function npm(args, cwd) {
  const log = join(cacheDir(), 'log', 'npm.log');
  writeFileSync(log, '');
  let output = '';
  const child = spawn('npm', args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  const keep = (chunk) => {
    appendFileSync(log, chunk);
    output = (output + chunk).slice(-8192);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const code = await new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new Error(describeMissing(error), { cause: error })));
    child.once('close', (exitCode, signal) => resolve(exitCode ?? signal));
  });
  if (code !== 0) throw new Error(describeFailure({ args, code, output, log }));
}

function describeMissing(error) {
  return error.code === 'ENOENT'
    ? 'npm is not installed: run "apt-get install npm"'
    : `Cannot run npm: ${error.message}`;
}

function describeFailure({ args, code, output, log }) {
  const remedy = networkFailure.test(output)
    ? 'The npm registry cannot be reached: connect this machine to the network, or name a registry that it reaches with "npm config set registry <url>", then run this again'
    : 'Mend what npm says, then run this again';
  return `"npm ${args.join(' ')}" failed (${code}):\n${output.trim()}\n${remedy}. Whole output: ${log}`;
}
