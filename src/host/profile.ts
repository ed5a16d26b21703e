import { stat } from 'node:fs/promises';
import { readConfig } from '../config/read.ts';
import type { Config } from '../config/schema.ts';
import { loadPlugins, type Plugins, type PluginSurroundings } from './plugins/plugins.ts';
import type { ShareSpec } from './sandbox.ts';

/** What of a configuration concerns a sandbox: plugins with their tables, the default provider, shares without a spec. */
export interface Profile {
  readonly plugins: Plugins;
  readonly sharedFs: string;
  readonly shares: readonly ShareSpec[];
}

/** Loads the plugins of a configuration. */
export async function loadProfile(config: Config, surroundings: PluginSurroundings): Promise<Profile> {
  return {
    plugins: await loadPlugins(config, surroundings),
    sharedFs: config.sharedFs,
    shares: config.shares.map(({ tag, source, sharedFs, readOnly }) => ({
      tag,
      readOnly,
      ...(source === undefined ? {} : { source }),
      ...(sharedFs === undefined ? {} : { sharedFs }),
    })),
  };
}

/** Reads the configuration files that single sandboxes are given; each is loaded once for as long as it is not changed. */
export function createProfileCache(
  surroundings: Omit<PluginSurroundings, 'configFile'>,
): (file: string) => Promise<Profile> {
  const profiles = new Map<string, { version: string; profile: Promise<Profile> }>();
  return async (file) => {
    const { mtimeMs, size, ino } = await stat(file).catch(() => ({ mtimeMs: 0, size: 0, ino: 0 }));
    const version = `${ino}:${size}:${mtimeMs}`;
    const known = profiles.get(file);
    if (known?.version === version) return known.profile;
    const profile = (async () => loadProfile(readConfig(file), { ...surroundings, configFile: file }))();
    profiles.set(file, { version, profile });
    profile.catch(() => profiles.delete(file));
    return profile;
  };
}
