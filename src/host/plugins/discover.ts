import { join } from 'node:path';
import { StatusError } from 'ttrpc-ts';
import { ConfigError } from '../../errors.ts';
import { listForeign } from '../../foreign/list.ts';
import { statForeign } from '../../foreign/stat.ts';
import { BUILT_IN_PLUGINS, requirePackage } from '../../package.ts';
import { hint } from '../../config/problems.ts';
import { readManifest, type Manifest } from './manifest.ts';

const MANIFEST = 'plugin.toml';

/**
 * Finds the manifests of the built-in plugins and of `directories`, each `<directory>/<folder>/plugin.toml`, in the
 * order in which they can start.
 *
 * @throws ConfigError for any mistake in any of them, alone or together; Error where this is no whole package
 */
export async function discoverPlugins(directories: readonly string[]): Promise<Manifest[]> {
  requirePackage();
  const files = await Promise.all([BUILT_IN_PLUGINS, ...directories].map(manifestFiles));
  const manifests = await Promise.all(files.flat().map(readManifest));
  requireUnique(manifests, 'id', (manifest) => [manifest.name]);
  requireUnique(manifests, 'provides', (manifest) => manifest.provides);
  return inStartOrder(manifests);
}

async function manifestFiles(directory: string): Promise<string[]> {
  const names = await listForeign(directory).catch((cause: unknown) => {
    const why = StatusError.is(cause) ? ` (${cause.message})` : '';
    const message = `the directory cannot be read${why}: correct plugin_dirs`;
    throw new ConfigError({ kind: 'manifest', file: directory, message, cause });
  });
  if (names.includes(MANIFEST)) {
    const message = `"${directory}" is a plugin's own folder: name the directory around it`;
    throw new ConfigError({
      kind: 'manifest',
      file: join(directory, MANIFEST),
      message: `plugin_dirs: ${message}`,
    });
  }
  const files = names.map((name) => join(directory, name, MANIFEST));
  const areThere = await Promise.all(files.map(isThere));
  return files.filter((_, index) => areThere[index]);
}

/** What is wrong with a manifest, reading it will say. */
const isThere = (file: string): Promise<boolean> =>
  statForeign(file).then(
    () => true,
    ({ code }: NodeJS.ErrnoException) => code !== 'ENOENT' && code !== 'ENOTDIR',
  );

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
