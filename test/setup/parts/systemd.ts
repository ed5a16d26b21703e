import type { Part } from '../part.ts';
import { debianProgram } from './debian-program.ts';

/** The path of systemd-analyze(1), which checks units without a systemd that runs. */
export const systemd: Part<string> = debianProgram('systemd-analyze', {
  description: 'systemd-analyze',
  name: 'systemd',
  path: '/usr/bin/systemd-analyze',
});
