import { readConfig } from '../config/read.ts';
import { loadPlugins } from '../host/plugins/plugins.ts';
import { createSlots } from '../daemon/pool/slots.ts';
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
  const { provided } = await loadPlugins(config, {
    configFile: file,
    log,
    stateDir,
    daemons: createSlots(),
  });
  const shares = [...provided].map(([value, plugin]) => `${value} (${plugin})`);
  return `${file} is valid; shares it can open: ${shares.join(', ')}\n`;
}
