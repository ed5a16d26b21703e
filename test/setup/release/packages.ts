import { join } from 'node:path';
import { execa } from 'execa';
import { PACKAGE as NAME } from '../../../src/package.ts';

/** A machine's kind as Debian calls it. */
export type Architecture = 'amd64' | 'arm64';

/** A package for nodes. */
export interface NodePackage {
  /** The directory of {@link makeNodeTree}. */
  readonly tree: string;
  readonly version: string;
  readonly architecture: Architecture;
  /** The time of all files in it, in seconds. */
  readonly time: number;
  readonly signal: AbortSignal;
}

/** Packs the tree's `usr` into an archive for a directory of its own, or for `/usr/local`. Resolves to its path. */
export async function makeArchive(
  target: string,
  { tree, version, architecture, time, signal }: NodePackage,
): Promise<string> {
  const file = join(target, `${NAME}-${version}-linux-${architecture}.tar.gz`);
  const reproducibly = ['--sort=name', `--mtime=@${time}`, '--owner=0', '--group=0', '--numeric-owner'];
  await execa('tar', ['-C', join(tree, 'usr'), ...reproducibly, '-I', 'gzip -n', '-cf', file, '.'], {
    cancelSignal: signal,
  });
  return file;
}
