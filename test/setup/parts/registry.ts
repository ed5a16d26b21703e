import { installPackages } from '../apt.ts';
import { findProgram } from '../find-program.ts';
import type { Part } from '../part.ts';
import { withProgress } from '../progress.ts';

/** The path of `docker-registry`, an OCI registry. */
export const registry: Part<string> = {
  description: 'an OCI registry, from Debian',
  async obtain(context) {
    return (
      findProgram('docker-registry') ??
      (await withProgress('Installing docker-registry from Debian', async () => {
        await installPackages(['docker-registry'], context);
        return '/usr/bin/docker-registry';
      }))
    );
  },
};
