import { glob, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { downloadPackages } from '../apt.ts';
import { cached } from '../cached.ts';
import { debianRelease } from '../debian.ts';
import type { Part, SetupContext } from '../part.ts';
import { runTool } from '../tool.ts';

/** The folder of the network plugins that Kubernetes' own project publishes: bridge, ptp, host-local and others. */
export const cni: Part<string> = {
  description: 'CNI plugins, unpacked from Debian',
  async obtain(context) {
    const doing = 'Downloading CNI plugins from Debian';
    const make = (directory: string): Promise<void> => download(directory, context);
    return join(await cached({ name: `cni-${debianRelease()}`, doing, make }, context), 'bin');
  },
};

async function download(directory: string, context: SetupContext): Promise<void> {
  await downloadPackages(['containernetworking-plugins'], directory, context);
  const unpacked = join(directory, 'unpacked');
  for await (const file of glob(`${directory}/*.deb`)) {
    await runTool('dpkg', ['-x', file, unpacked], context);
    await rm(file);
  }
  await rename(join(unpacked, 'usr/lib/cni'), join(directory, 'bin'));
  await rm(unpacked, { recursive: true });
}
