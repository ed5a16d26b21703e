import { cp, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { PACKAGE as NAME } from '../../../src/package.ts';
import { put } from './put.ts';

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

/** Makes a Debian package of the tree. Resolves to its path. */
export async function makeDeb(
  target: string,
  { tree, version, architecture, time, signal }: NodePackage,
): Promise<string> {
  const place = join(target, 'deb');
  await rm(place, { recursive: true, force: true });
  await cp(tree, place, { recursive: true, verbatimSymlinks: true });
  const control = join(place, 'DEBIAN');
  await put(join(control, 'control'), controlOf({ version, architecture, kib: await sizeOf(tree) }));
  const file = join(target, `${NAME}_${version}_${architecture}.deb`);
  await execa('dpkg-deb', ['--root-owner-group', '-Zzstd', '--build', place, file], {
    cancelSignal: signal,
    env: { SOURCE_DATE_EPOCH: String(time) },
  });
  await rm(place, { recursive: true });
  return file;
}

/** What Node.js 26 needs of the system, and what the shim and mounts do. */
const controlOf = ({
  version,
  architecture,
  kib,
}: {
  version: string;
  architecture: string;
  kib: number;
}): string => `Package: ${NAME}
Version: ${version}
Architecture: ${architecture}
Section: admin
Priority: optional
Maintainer: The ${NAME} authors <noreply@invalid>
Installed-Size: ${kib}
Depends: libc6 (>= 2.28), libstdc++6, libatomic1, util-linux
Recommends: virtiofsd | qemu-system-common
Suggests: containerd, quota
Description: shares host directories with VM sandboxes over virtio-fs
 A plugin host for containerd: a sandbox controller and a shim that start,
 watch, adopt and end a virtiofsd or nydusd for each share of a sandbox.
`;

async function sizeOf(directory: string): Promise<number> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const sizes = await Promise.all(
    entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => stat(join(parentPath, name))),
  );
  return Math.ceil(sizes.reduce((sum, { size }) => sum + size, 0) / 1024);
}
