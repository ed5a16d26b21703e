import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';

import { execa } from 'execa';

import { mountsBeneath } from '../../../src/proc/mountinfo.ts';

/** Removes a directory tree after unmounting whatever is mounted below it, so that no mount's contents go. */
export async function removeDir(dir: string): Promise<void> {
  for (const mountPoint of mountsBelow(dir)) await execa('umount', ['--lazy', mountPoint]);
  const left = mountsBelow(dir);
  if (left.length > 0) throw new Error(`Cannot remove "${dir}": still mounted: ${left.join(', ')}`);
  await rm(dir, { recursive: true, force: true });
}

/** The mount points below a directory, the latest mount first; none where there is no such directory. */
export const mountsBelow = (dir: string): string[] =>
  existsSync(dir) ? mountsBeneath(dir).toReversed() : [];
