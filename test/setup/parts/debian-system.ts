import { join } from 'node:path';
import { cached } from '../cached.ts';
import type { Part } from '../part.ts';
import { UnavailableError } from '../setup-error.ts';
import { runTool } from '../tool.ts';
import { debianProgram } from './debian-program.ts';

/** The releases of Debian that a node may have. */
export type DebianSuite = 'bookworm' | 'trixie';

const SCRIPT = join(import.meta.dirname, '../debian-system.sh');

/** What apt would install with our package, and what a node has. */
const COMMON = ['libatomic1', 'systemd'];
/** In which package each has its virtiofsd. */
const PACKAGES: Readonly<Record<DebianSuite, readonly string[]>> = {
  bookworm: ['qemu-system-common', ...COMMON],
  trixie: ['virtiofsd', ...COMMON],
};

const debootstrap = debianProgram('debootstrap', {
  description: 'debootstrap',
  name: 'debootstrap',
  path: '/usr/sbin/debootstrap',
});

/** The root directory of a bare Debian with Debian's own virtiofsd. */
export function debianSystem(suite: DebianSuite): Part<string> {
  return {
    description: `a bare Debian ${suite} with its virtiofsd and systemd, by debootstrap`,
    async obtain(context) {
      if (process.getuid?.() !== 0)
        throw new UnavailableError(`No bare Debian ${suite}: to make one needs root`);
      const make = async (directory: string): Promise<void> => {
        await debootstrap.obtain(context);
        await runTool(SCRIPT, ['create', suite, directory, ...PACKAGES[suite]], context);
      };
      const doing = `Making a Debian ${suite}, about a minute (once)`;
      return cached({ name: `debian-${suite}-systemd`, doing, make }, context);
    },
  };
}
