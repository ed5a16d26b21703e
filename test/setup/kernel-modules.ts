import { execa } from 'execa';
import { glob, readFile } from 'node:fs/promises';
import { basename } from 'node:path';

/** A kernel module, ready for insmod. */
export interface KernelModule {
  /** Name with underscores, as the kernel prints it. */
  readonly name: string;
  /** The object file, decompressed. */
  readonly content: Buffer;
}

/** Which modules are read. */
export interface ReadModulesOptions {
  /** The folder that they lie below. */
  readonly directory: string;
  readonly wanted: readonly string[];
  /** The path of a busybox, which decompresses them, because a bare Debian has no xz. */
  readonly busybox: string;
}

/** Resolves to the wanted modules and all they depend on, in loading order. */
export async function readModules({
  directory,
  wanted,
  busybox,
}: ReadModulesOptions): Promise<KernelModule[]> {
  const paths = new Map<string, string>();
  for await (const path of glob(`${directory}/**/*.ko{,.xz}`)) paths.set(moduleName(path), path);
  const loaded = new Map<string, KernelModule>();
  const load = async (name: string): Promise<void> => {
    const path = paths.get(name);
    const isBuiltIn = path === undefined;
    if (isBuiltIn || loaded.has(name)) return;
    const content = await readObject(path, busybox);
    for (const dependency of dependencies(content)) await load(dependency);
    loaded.set(name, { name, content });
  };
  for (const name of wanted) await load(name);
  return [...loaded.values()];
}

function moduleName(path: string): string {
  return basename(path)
    .replace(/\.ko(\.xz)?$/, '')
    .replaceAll('-', '_');
}

async function readObject(path: string, busybox: string): Promise<Buffer> {
  if (!path.endsWith('.xz')) return readFile(path);
  const { stdout } = await execa(busybox, ['xzcat', path], { encoding: 'buffer' });
  return Buffer.from(stdout);
}

/** modinfo's `depends=`, which stands in the object file between zero bytes. */
function dependencies(content: Buffer): string[] {
  const field = /\0depends=([^\0]*)\0/.exec(content.toString('latin1'))?.[1] ?? '';
  return field.split(',').filter((name) => name !== '');
}
