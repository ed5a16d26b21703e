import { spawn } from 'node:child_process';
import { appendFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { cacheDir } from './cache-dir.mjs';

const networkFailure =
  /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET_TIMEOUT)\b|Temporary failure resolving|Could not connect|Failed to fetch/;

/**
 * Runs a tool, its output going to a log. Rejects with the tool's last words, where all of them are, and the remedy;
 * the error's `output` has more of them.
 * A signal to this process ends the tool and then this process.
 */
export async function runQuietly(command, args, { cwd, offlineRemedy }) {
  const log = join(cacheDir(), 'log', `${command}.log`);
  writeFileSync(log, '');
  let output = '';
  const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  const keep = (chunk) => {
    appendFileSync(log, chunk);
    output = (output + chunk).slice(-16384);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const stopListening = endWithUs(child);
  try {
    const code = await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (exitCode, signal) => resolve(exitCode ?? signal));
    });
    if (code === 0) return;
    const remedy = networkFailure.test(output) ? offlineRemedy : `Mend what ${command} says`;
    const words = `"${command} ${args.join(' ')}" failed (${code}):\n${output.trim().slice(-4096)}`;
    const message = `${words}\n${remedy}, then run this again. Whole output: ${log}`;
    throw Object.assign(new Error(message), { output });
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
    throw new Error(`${command} is not installed: run "apt-get install ${command}"`, { cause: error });
  } finally {
    stopListening();
  }
}

function endWithUs(child) {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const end = (signal) => {
    child.removeAllListeners('close');
    child.once('close', () => process.exit(128 + constants.signals[signal]));
    child.kill('SIGTERM');
  };
  for (const signal of signals) process.once(signal, end);
  return () => {
    for (const signal of signals) process.off(signal, end);
  };
}
