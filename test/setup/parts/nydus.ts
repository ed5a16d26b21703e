import { join } from 'node:path';
import { installPackages, isInstalled } from '../apt.ts';
import { cached } from '../cached.ts';
import type { Part, SetupContext } from '../part.ts';
import { versions } from '../versions.ts';
import { cargo, cargoInstall } from './cargo.ts';

/** The programs of nydus. */
export interface Nydus {
  /** Serves images and directories over virtio-fs. */
  readonly nydusd: string;
  /** Builds RAFS images. */
  readonly nydusImage: string;
}

/** nydusd with virtio-fs, and the program that builds images for it. */
export const nydus: Part<Nydus> = {
  description: `nydusd and nydus-image ${versions.nydus}, built with cargo`,
  async obtain(context) {
    const { nydus: version } = versions;
    const doing = `Building nydusd ${version} with cargo, about 4 minutes (once)`;
    const make = (directory: string): Promise<void> => build(directory, context);
    const bin = join(await cached({ name: `nydus-${version}`, doing, make }, context), 'bin');
    return { nydusd: join(bin, 'nydusd'), nydusImage: join(bin, 'nydus-image') };
  },
};

async function build(directory: string, context: SetupContext): Promise<void> {
  const packages = ['cmake', 'make', 'perl', 'pkg-config', 'libssl-dev', 'gcc', 'g++', 'libc6-dev'];
  await cargo.obtain(context);
  if (!(await isInstalled(packages, context))) await installPackages(packages, context);
  const crate = ['nydus-rs', '--version', versions.nydus, '--features', 'virtiofs'];
  await cargoInstall({ directory, crate }, context);
}
