import { installPackages } from '../apt.ts';
import { findProgram } from '../find-program.ts';
import type { Part } from '../part.ts';
import { withProgress } from '../progress.ts';

/** The path of `qemu-system-x86_64`. */
export const qemu: Part<string> = {
  description: 'QEMU, from Debian',
  async obtain(context) {
    const packages = ['qemu-system-x86', 'qemu-system-common'];
    return (
      findProgram('qemu-system-x86_64') ??
      (await withProgress('Installing QEMU from Debian', async () => {
        await installPackages(packages, context);
        return '/usr/bin/qemu-system-x86_64';
      }))
    );
  },
};
