import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Code, StatusError } from 'ttrpc-ts';
import { mountsBeneath } from '../proc/mountinfo.ts';

/**
 * Removes a directory that the host owns, with what is in it; one that is gone is no error.
 *
 * @throws StatusError FailedPrecondition while something is mounted there: removing would reach into that source
 */
export async function removeTree(directory: string): Promise<void> {
  if (!existsSync(dirname(directory))) return;
  const mounts = mountsBeneath(directory);
  if (mounts.length > 0) {
    throw new StatusError(
      Code.FailedPrecondition,
      `Cannot remove "${directory}": "${mounts[0]}" is still mounted; unmount it first`,
    );
  }
  await rm(directory, { recursive: true, force: true });
}
