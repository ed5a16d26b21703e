import type { Part } from '../part.ts';
import { debianProgram } from './debian-program.ts';

/** The path of setquota(8), which comes with all that sets and reports quotas. */
export const quota: Part<string> = debianProgram('setquota', {
  description: 'programs for disk quotas',
  name: 'quota',
  path: '/usr/sbin/setquota',
});
