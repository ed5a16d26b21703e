import { readConfig } from '../config/read.ts';
import { loadPlugins } from '../host/plugins/call.ts';
import { createDaemons } from '../daemon/pool/pool.ts';
import { createLogger } from '../tracing/log.ts';
import { describeStateDirectory } from '../share/state-directory.ts';

/**
 * Reads a configuration and loads its plugins as a host would, without touching its state; returns what to tell.
 *
 * @throws ConfigError
 */
export async function checkConfig(file: string): Promise<string> {
  const config = readConfig(file);
  const log = createLogger('silent');
  const stateDir = describeStateDirectory(config.state);
  await using daemons = createDaemons({ log, socketDirectory: stateDir.socketDirectory });
  await using plugins = await loadPlugins(config, { configFile: file, log, stateDir, daemons });
  const shares = [...plugins.provided].map(([value, plugin]) => `${value} (${plugin})`);
  return `${file} is valid; shares it can open: ${shares.join(', ')}\n`;
}
