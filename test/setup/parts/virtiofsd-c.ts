import { installPackages } from '../apt.ts';
import { debianRelease } from '../debian.ts';
import { isExecutable } from '../find-program.ts';
import type { Part } from '../part.ts';
import { withProgress } from '../progress.ts';
import { UnavailableError } from '../setup-error.ts';

const path = '/usr/lib/qemu/virtiofsd';

/** The path of QEMU's own virtiofsd, written in C, which QEMU dropped after 7.2. */
export const virtiofsdC: Part<string> = {
  description: 'virtiofsd of QEMU 7.2, written in C; only Debian 12 has it',
  async obtain(context) {
    // Debian 13 has the Rust one under this name, too.
    if (debianRelease() !== 'bookworm') {
      throw new UnavailableError('No C virtiofsd: only Debian 12 has QEMU 7.2, the last with one');
    }
    if (isExecutable(path)) return path;
    await withProgress('Installing the C virtiofsd from Debian', () =>
      installPackages(['qemu-system-common'], context),
    );
    return path;
  },
};
