import { installPackages } from '../apt.ts';
import { findProgram } from '../find-program.ts';
import type { Part } from '../part.ts';
import { withProgress } from '../progress.ts';

/** The path of setquota(8), which comes with all that sets and reports quotas. */
export const quota: Part<string> = {
  description: 'programs for disk quotas',
  async obtain(context) {
    const found = findProgram('setquota');
    if (found !== undefined) return found;
    await withProgress('Installing quota from Debian', () => installPackages(['quota'], context));
    return '/usr/sbin/setquota';
  },
};
