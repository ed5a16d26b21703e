import type { Logger } from 'pino';
import pLimit from 'p-limit';
import { Code, StatusError } from 'ttrpc-ts';
import type { Config } from '../config.ts';
import type { Daemon } from '../daemon/daemon.ts';
import { ConfigError } from '../errors.ts';
import { hint } from '../schema-problems.ts';
import type { DaemonSlots, Hooks, PluginContext } from '../share/provider.ts';
import type { StateDirectory } from '../share/state-directory.ts';
import { tracer, withSpan } from '../tracing.ts';
import { discoverPlugins } from './discover.ts';
import { loadPlugin } from './plugin.ts';

/** The best throughput, and a third of the event-loop delay of four (measured with 300 daemons). */
const DAEMONS_AT_A_TIME = 2;

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

/**
 * Loads every plugin, in the order of what they require.
 *
 * @throws ManifestError, ConfigError: a host with a broken plugin does not start
 */
export async function loadPlugins(
  config: Config,
  surroundings: { configFile: string; log: Logger; stateDir: StateDirectory },
): Promise<Plugins> {
  const { configFile, log, stateDir } = surroundings;
  const manifests = discoverPlugins(config.plugin_dirs);
  requireKnownTables(
    config,
    manifests.map(({ name }) => name),
    configFile,
  );
  const daemons = createSlots();
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
  if (!bySharedFs.has(config.shared_fs)) {
    throw new ConfigError(configFile, 'shared_fs', notProvided(config.shared_fs, [...bySharedFs.keys()]));
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

function createSlots(): DaemonSlots {
  const limit = pLimit(DAEMONS_AT_A_TIME);
  return (start) => {
    const { promise, resolve } = Promise.withResolvers<Daemon>();
    void limit(async () => {
      const starting = start();
      resolve(starting);
      await starting.then(({ ready }) => ready).catch(() => {});
    });
    return promise;
  };
}

function requireKnownTables(config: Config, names: readonly string[], configFile: string): void {
  for (const name of Object.keys(config.plugins)) {
    if (!names.includes(name)) {
      throw new ConfigError(
        configFile,
        `plugins.${JSON.stringify(name)}`,
        `no such plugin${hint(name, names)}`,
      );
    }
  }
}

const notProvided = (value: string, known: readonly string[]): string =>
  `No plugin provides "${value}"${hint(value, known)}`;
