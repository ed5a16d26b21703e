import { installPackages } from '../apt.ts';
import { findProgram } from '../find-program.ts';
import type { Part } from '../part.ts';
import { withProgress } from '../progress.ts';

/** The path of systemd-analyze(1), which checks units without a systemd that runs. */
export const systemd: Part<string> = {
  description: 'systemd-analyze',
  async obtain(context) {
    const found = findProgram('systemd-analyze');
    if (found !== undefined) return found;
    await withProgress('Installing systemd from Debian', () => installPackages(['systemd'], context));
    return '/usr/bin/systemd-analyze';
  },
};
