import type { Logger } from 'pino';
import { Code, StatusError } from 'ttrpc-ts';
import type { Config } from '../../config/schema.ts';
import { ConfigError } from '../../errors.ts';
import { hint, keyText } from '../../config/problems.ts';
import type { DaemonSlots, Hooks, PluginContext } from '../../share/contract.ts';
import type { StateDirectory } from '../../share/state-directory.ts';
import { tracer, withSpan } from '../../tracing/span.ts';
import { discoverPlugins } from './discover.ts';
import { loadPlugin } from './load.ts';

/** The loaded plugins, by what they provide. */
export interface Plugins {
  /** The `shared_fs` values that are provided, with their plugin's name. */
  readonly provided: ReadonlyMap<string, string>;
  /**
   * Calls the hook of the plugin that provides `sharedFs`, in a span of its own.
   *
   * @throws StatusError InvalidArgument where nobody provides it, Unimplemented where its plugin has no such hook
   */
  call<Name extends keyof Hooks>(
    hook: Name,
    sharedFs: string,
    request: Parameters<Hooks[Name]>[1],
  ): Promise<Awaited<ReturnType<Hooks[Name]>>>;
}

/** What plugins get from their host besides their configuration. */
export interface PluginSurroundings {
  /** Names the configuration in errors. */
  readonly configFile: string;
  readonly log: Logger;
  readonly stateDir: StateDirectory;
  readonly daemons: DaemonSlots;
}

/**
 * Loads every plugin, in the order of what they require.
 *
 * @throws ConfigError: a host with a broken plugin does not start
 */
export async function loadPlugins(
  config: Config,
  { configFile, log, stateDir, daemons }: PluginSurroundings,
): Promise<Plugins> {
  const manifests = discoverPlugins(config.pluginDirs);
  requireKnownTables(
    config,
    manifests.map(({ name }) => name),
    configFile,
  );
  const bySharedFs = new Map<string, { plugin: string; hooks: Partial<Hooks>; context: PluginContext }>();
  for (const manifest of manifests) {
    // One after the other: a plugin may count on what it requires being there.
    // oxlint-disable-next-line no-await-in-loop
    const loaded = await loadPlugin(manifest, config.plugins[manifest.name], configFile);
    const context = {
      config: loaded.config,
      log: log.child({ plugin: manifest.name }),
      tracer: tracer(),
      daemons,
      stateDir,
    };
    for (const value of manifest.provides)
      bySharedFs.set(value, { plugin: manifest.name, hooks: loaded.hooks, context });
    log.debug({ plugin: manifest.name, file: manifest.file, provides: manifest.provides }, 'Loaded plugin');
  }
  if (!bySharedFs.has(config.sharedFs)) {
    const message = notProvided(config.sharedFs, [...bySharedFs.keys()]);
    throw new ConfigError({ file: configFile, key: 'shared_fs', message });
  }

  return {
    provided: new Map([...bySharedFs].map(([value, { plugin }]) => [value, plugin])),
    call: async (hook, sharedFs, request) => {
      const found = bySharedFs.get(sharedFs);
      if (!found) throw new StatusError(Code.InvalidArgument, notProvided(sharedFs, [...bySharedFs.keys()]));
      const run = found.hooks[hook] as
        | ((context: PluginContext, request: unknown) => Promise<never>)
        | undefined;
      if (!run)
        throw new StatusError(Code.Unimplemented, `Plugin "${found.plugin}" implements no hook "${hook}"`);
      return withSpan(hook, { 'plugin.id': found.plugin }, () => run(found.context, request));
    },
  };
}

function requireKnownTables(config: Config, names: readonly string[], configFile: string): void {
  for (const name of Object.keys(config.plugins)) {
    if (!names.includes(name)) {
      throw new ConfigError({
        file: configFile,
        key: keyText(['plugins', name]),
        message: `no such plugin${hint(name, names)}`,
      });
    }
  }
}

const notProvided = (value: string, known: readonly string[]): string =>
  `No plugin provides "${value}"${hint(value, known)}`;
