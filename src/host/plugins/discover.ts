import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { existsSync } from 'node:fs';
import { ConfigError } from '../../errors.ts';
import { hint } from '../../config/problems.ts';
import { readManifest, type Manifest } from './manifest.ts';

/** The plugins that come with the host. */
const BUILT_IN = fileURLToPath(new URL('../../../plugin', import.meta.url));

/**
 * Finds the manifests of the built-in plugins and of `directories`, each `<directory>/<folder>/plugin.toml`, in the
 * order in which they can start.
 *
 * @throws ConfigError for any mistake in any of them, alone or together
 */
export function discoverPlugins(directories: readonly string[]): Manifest[] {
  const manifests = [BUILT_IN, ...directories].flatMap(manifestFiles).map(readManifest);
  requireUnique(manifests, 'id', (manifest) => [manifest.name]);
  requireUnique(manifests, 'provides', (manifest) => manifest.provides);
  return inStartOrder(manifests);
}

function manifestFiles(directory: string): string[] {
  let entries;
  try {
    entries = readdirSync(directory, { withFileTypes: true });
  } catch (cause) {
    throw new ConfigError({
      kind: 'manifest',
      file: directory,
      message: 'the directory cannot be read: correct plugin_dirs',
      cause,
    });
  }
  return entries
    .filter((entry) => !entry.isFile())
    .map((entry) => join(directory, entry.name, 'plugin.toml'))
    .filter((file) => existsSync(file))
    .toSorted();
}

function requireUnique(
  manifests: readonly Manifest[],
  key: string,
  namesOf: (manifest: Manifest) => readonly string[],
): void {
  const owners = new Map<string, Manifest>();
  for (const manifest of manifests) {
    for (const name of namesOf(manifest)) {
      const owner = owners.get(name);
      if (owner) throw mistake(manifest, key, `"${name}" is taken by "${owner.file}"`);
      owners.set(name, manifest);
    }
  }
}

/** Depth first: what a plugin requires (a name, or all of a type) stands before it. */
function inStartOrder(manifests: readonly Manifest[]): Manifest[] {
  const ordered = new Set<Manifest>();
  const visit = (manifest: Manifest, trail: readonly Manifest[]): void => {
    if (ordered.has(manifest)) return;
    if (trail.includes(manifest)) {
      const cycle = [...trail.slice(trail.indexOf(manifest)), manifest].map(({ name }) => name);
      throw mistake(manifest, 'requires', `a cycle: ${cycle.join(' → ')}`);
    }
    for (const required of manifest.requires) {
      const found = manifests.filter(
        (other) => other.name === required || (other.type === required && other !== manifest),
      );
      if (found.length === 0) {
        const names = manifests.map(({ name }) => name);
        throw mistake(manifest, 'requires', `no plugin "${required}"${hint(required, names)}`);
      }
      for (const dependency of found) visit(dependency, [...trail, manifest]);
    }
    ordered.add(manifest);
  };
  for (const manifest of manifests) visit(manifest, []);
  return [...ordered];
}

const mistake = ({ file }: Manifest, key: string, message: string): ConfigError =>
  new ConfigError({ kind: 'manifest', file, key, message });
