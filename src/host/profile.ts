import { loadConfig } from '../config/read.ts';
import type { Config } from '../config/schema.ts';
import { statForeign } from '../foreign/stat.ts';
import { loadPlugins, type PluginHost, type Plugins } from './plugins/call.ts';
import type { ShareSpec } from './share-spec.ts';

/** What of a configuration concerns a sandbox: plugins with their tables, the default provider, shares without a spec. */
export interface Profile extends AsyncDisposable {
  /** The configuration's file, or what stands for it in errors. */
  readonly name: string;
  readonly plugins: Plugins;
  readonly sharedFs: string;
  readonly shares: readonly ShareSpec[];
}

/** The configurations that single sandboxes are given. Disposal is that of all their plugins. */
export interface Profiles extends AsyncDisposable {
  /** Loads a configuration file, once for as long as it is not changed. */
  load(file: string): Promise<Profile>;
}

/** Loads the plugins of a configuration. */
export async function loadProfile(config: Config, host: PluginHost): Promise<Profile> {
  const plugins = await loadPlugins(config, host);
  return {
    name: host.configFile,
    plugins,
    sharedFs: config.sharedFs,
    shares: config.shares.map(({ tag, source, sharedFs, readOnly, cache }) => ({
      tag,
      readOnly,
      ...(source === undefined ? {} : { source }),
      ...(cache === undefined ? {} : { cache }),
      ...(sharedFs === undefined ? {} : { sharedFs }),
    })),
    [Symbol.asyncDispose]: () => plugins[Symbol.asyncDispose](),
  };
}

/** Creates the table of a host's further profiles. A changed file's former profile stays: sandboxes may still have it. */
export function createProfiles(host: Omit<PluginHost, 'configFile'>): Profiles {
  const current = new Map<string, { version: string; profile: Promise<Profile> }>();
  const loaded = new AsyncDisposableStack();
  const read = async (file: string): Promise<Profile> =>
    loaded.use(await loadProfile(await loadConfig(file), { ...host, configFile: file }));
  return {
    async load(file) {
      const { mtimeMs, size, ino } = await statForeign(file).catch(() => ({ mtimeMs: 0, size: 0, ino: 0 }));
      const version = `${ino}:${size}:${mtimeMs}`;
      const known = current.get(file);
      if (known?.version === version) return known.profile;
      const profile = read(file);
      current.set(file, { version, profile });
      profile.catch(() => current.delete(file));
      return profile;
    },
    [Symbol.asyncDispose]: () => loaded.disposeAsync(),
  };
}
