import { loadConfig } from '../../config/read.ts';
import { createDaemons } from '../../daemon/pool/pool.ts';
import { loadPlugins } from '../../host/plugins/call.ts';
import { describeStateDirectory } from '../../share/state-directory.ts';
import { createLogger } from '../../tracing/log.ts';
import { defineCommand } from './command.ts';
import { CONFIG_OPTIONS, DEFAULT_CONFIG } from './config-options.ts';

/** Reads a configuration and loads its plugins as a host would, without touching its state. */
export const checkConfig = defineCommand({
  description: `Reads the configuration and loads the plugins as a host would, and touches no state.
It asks the plugins that serve the shares whether they could: whether their daemon is there, and can what it is to do.
With --state it says, too, whether a host that is given this directory takes the configuration.`,
  options: CONFIG_OPTIONS,
  exitStatus: '0 valid, 2 not valid or wrong usage',
  async run({ config: file = DEFAULT_CONFIG, state }) {
    const config = await loadConfig(file, { state });
    const log = createLogger('silent');
    const stateDir = describeStateDirectory(config.state, { ...config, log });
    await using daemons = createDaemons({ log, socketDirectory: stateDir.socketDirectory });
    const host = { configFile: file, log, stateDir, daemons };
    await using plugins = await loadPlugins(config, host);
    await plugins.check();
    const shares = [...plugins.provided].map(([value, plugin]) => `${value} (${plugin})`);
    process.stdout.write(`${file} is valid; shares it can open: ${shares.join(', ')}\n`);
    return 0;
  },
});
