import { loadConfig } from '../../config/read.ts';
import { createDaemons } from '../../daemon/pool/pool.ts';
import type { Host } from '../../host/host.ts';
import { loadPlugins } from '../../host/plugins/call.ts';
import { createContainerdAddress } from '../../services/events/containerd-address.ts';
import { placesOf } from '../../services/places.ts';
import { describeStateDirectory } from '../../share/state-directory.ts';
import { createLogger } from '../../tracing/log.ts';
import { sayProblem } from '../reject-usage.ts';
import { defineCommand } from './command.ts';
import { CONFIG_OPTIONS, DEFAULT_CONFIG } from './config-options.ts';

/** Reads a configuration and loads its plugins as a host would, without touching its state. */
export const checkConfig = defineCommand({
  description: `Reads the configuration and loads the plugins as a host would, and touches no state.
It asks the plugins that serve the shares whether they could: whether their daemon is there, and can what it is to do.
Where a sandbox controller is served ([grpc]), a containerd that runs is asked whether it calls it: a line on standard
error says what it lacks. With --state it says, too, whether a host that is given this directory takes the configuration.`,
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
    const problem = await problemOfContainerd({ config, stateDir });
    if (problem !== undefined) sayProblem(problem);
    return 0;
  },
});

/** What a containerd that runs lacks; undefined where none is to call a sandbox controller of this configuration. */
async function problemOfContainerd(own: Pick<Host, 'config' | 'stateDir'>): Promise<string | undefined> {
  const { grpc } = placesOf(own);
  const ttrpcAddress = createContainerdAddress(own.config).current();
  if (!grpc || ttrpcAddress === undefined) return undefined;
  const { askContainerd } = await import('../../services/controller/ask-containerd.ts');
  return askContainerd(ttrpcAddress, grpc.address);
}
