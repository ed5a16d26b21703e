import { join } from 'node:path';
import { installPackages, isInstalled } from '../apt.ts';
import { cached } from '../cached.ts';
import { debianRelease } from '../debian.ts';
import { findProgram, isExecutable } from '../find-program.ts';
import type { Part, SetupContext } from '../part.ts';
import { withProgress } from '../progress.ts';
import { versions } from '../versions.ts';
import { cargo, cargoInstall } from './cargo.ts';

const debianPath = '/usr/libexec/virtiofsd';

/** The path of the virtiofsd written in Rust: the machine's, Debian's, or one that cargo builds. */
export const virtiofsdRust: Part<string> = {
  description: `virtiofsd written in Rust, from Debian 13, or ${versions.virtiofsd} built with cargo`,
  async obtain(context) {
    const found = findProgram('virtiofsd', ['/usr/libexec']);
    if (found !== undefined) return found;
    if (debianRelease() === 'trixie') {
      await withProgress('Installing virtiofsd from Debian', () => installPackages(['virtiofsd'], context));
      return debianPath;
    }
    return join(await build(context), 'bin/virtiofsd');
  },
};

/** The path of the Rust virtiofsd if no minutes are needed to get it. */
export function builtVirtiofsdRust(cache: string): string | undefined {
  const built = join(cache, `virtiofsd-${versions.virtiofsd}`, 'bin/virtiofsd');
  return findProgram('virtiofsd', ['/usr/libexec']) ?? (isExecutable(built) ? built : undefined);
}

async function build(context: SetupContext): Promise<string> {
  const { virtiofsd: version } = versions;
  const make = async (directory: string): Promise<void> => {
    const libraries = ['libseccomp-dev', 'libcap-ng-dev', 'gcc', 'libc6-dev'];
    await cargo.obtain(context);
    if (!(await isInstalled(libraries, context))) await installPackages(libraries, context);
    await cargoInstall({ directory, crate: ['virtiofsd', '--version', version] }, context);
  };
  const doing = `Building virtiofsd ${version} with cargo, about 2 minutes (once)`;
  return cached({ name: `virtiofsd-${version}`, doing, make }, context);
}
