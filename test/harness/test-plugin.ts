import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What a test's plugin is made of; what is not given is right. */
export interface TestPlugin {
  readonly id: string;
  /** The whole manifest instead of a right one. */
  readonly manifest?: string;
  /** Lines at the top level of the manifest. */
  readonly lines?: string;
  /** Its module. */
  readonly code?: string;
}

/** A module whose provider does nothing. */
export const PROVIDER = 'export const create = () => ({ open: async () => ({}), close: async () => {} });';

/** A module whose provider opens no share until it is told to give up. */
export const ENDLESS_PROVIDER = `export const create = () => ({
  open: (request, { signal }) => new Promise((_, reject) =>
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })),
  close: async () => {},
});`;

/** A manifest that is right. */
export const manifestOf = (id: string, lines = ''): string => `
manifest_version = 1
type = "io.containerd.fsshare.v1"
id = "${id}"
version = "1.0.0"
entry = "plugin.mjs"
provides = ["fs-${id}"]
provider = "create"
${lines}
[hooks]
"sandbox.create" = "open"
"sandbox.delete" = "close"
`;

/** Writes a plugin's folder into a directory for `plugin_dirs`; returns the manifest's path. */
export async function writePlugin(directory: string, plugin: TestPlugin): Promise<string> {
  const { id, lines, manifest = manifestOf(id, lines), code = PROVIDER } = plugin;
  const folder = join(directory, id);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'plugin.mjs'), code);
  const file = join(folder, 'plugin.toml');
  await writeFile(file, manifest);
  return file;
}
