import { runQuietly } from './quiet-tool.mjs';

/** Runs npm quietly in `cwd`. */
export function npm(args, cwd) {
  const offlineRemedy =
    'The npm registry cannot be reached: connect this machine to the network, or name a registry that it reaches with "npm config set registry <url>"';
  return runQuietly('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], { cwd, offlineRemedy });
}
