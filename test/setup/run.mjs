// What `npm run demo`, `npm test`, `npm run check`, `npm run bench` and `npm run chaos` call. It has no dependencies and runs on
// Node 18, because its task is to get the dependencies and a newer Node for everything else.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { findNode, needsNewerNode } from './node-binary.mjs';
import { installNodeLibraries } from './node-libraries.mjs';
import { installDependencies } from './npm-dependencies.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const main = fileURLToPath(new URL('main.ts', import.meta.url));

try {
  if (needsNewerNode()) await installNodeLibraries(); // before npm, whose install scripts run with the newer one
  await installDependencies(root);
  process.exitCode = await runMain(await findNode(root));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}

/**
 * Runs main.ts in a session of its own, so that one Ctrl-C reaches it once: the terminal and npm both send it to us.
 * The channel tells it when we die.
 */
function runMain(node) {
  const child = spawn(node, [main, ...process.argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    detached: true,
  });
  let lastSignalMs = -Infinity;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      if (performance.now() - lastSignalMs < 1000) return;
      lastSignalMs = performance.now();
      child.kill(signal);
    });
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
}
