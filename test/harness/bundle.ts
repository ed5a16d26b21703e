import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A mount of an OCI spec. */
export interface SpecMount {
  readonly type: string;
  readonly source?: string;
  readonly destination: string;
  readonly options?: readonly string[];
}

/** Writes a bundle as containerd makes one into a directory; returns its path. */
export async function writeBundle(directory: string, mounts: readonly SpecMount[]): Promise<string> {
  await mkdir(directory, { recursive: true });
  const bundle = await mkdtemp(join(directory, 'bundle-'));
  await writeFile(join(bundle, 'config.json'), JSON.stringify({ ociVersion: '1.2.0', mounts }));
  return bundle;
}
