import { glob, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { downloadPackages, withFreshLists } from '../apt.ts';
import { cached } from '../cached.ts';
import { debianRelease } from '../debian.ts';
import type { Part, SetupContext } from '../part.ts';
import { SetupError } from '../setup-error.ts';
import { runTool } from '../tool.ts';

/** A guest kernel. */
export interface Kernel {
  /** The bootable image. */
  readonly image: string;
  /** The folder with its modules. */
  readonly modules: string;
}

/** Debian's newest kernel for clouds; its version changes with security updates, so none is pinned. */
export const kernel: Part<Kernel> = {
  description: "guest kernel and its modules, from Debian's cloud image packages",
  async obtain(context) {
    const doing = 'Downloading the guest kernel from Debian';
    const make = (directory: string): Promise<void> => download(directory, context);
    const directory = await cached({ name: `kernel-${debianRelease()}`, doing, make }, context);
    return { image: join(directory, 'vmlinuz'), modules: join(directory, 'modules') };
  },
};

async function download(directory: string, context: SetupContext): Promise<void> {
  const name = await withFreshLists(() => newestPackage(context), context);
  await downloadPackages([name], directory, context);
  const [file] = (await readdir(directory)).filter((entry) => entry.endsWith('.deb'));
  if (file === undefined) throw new SetupError(`"apt-get download ${name}" left no file in ${directory}`);
  const unpacked = join(directory, 'unpacked');
  await runTool('dpkg', ['-x', join(directory, file), unpacked], context);
  for await (const image of glob(`${unpacked}/boot/vmlinuz-*`))
    await rename(image, join(directory, 'vmlinuz'));
  for await (const modules of glob(`${unpacked}/{,usr/}lib/modules/*/kernel`)) {
    await rename(modules, join(directory, 'modules'));
  }
  await rm(unpacked, { recursive: true });
  await rm(join(directory, file));
}

async function newestPackage(context: SetupContext): Promise<string> {
  const depends = await runTool('apt-cache', ['depends', 'linux-image-cloud-amd64'], context);
  const name = /Depends: (linux-image-\d\S+)/.exec(depends)?.[1];
  if (name !== undefined) return name;
  throw new SetupError(
    'The package lists know no linux-image-cloud-amd64: run "apt-get update" on Debian for amd64',
  );
}
