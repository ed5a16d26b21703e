import { join } from 'node:path';
import { exists } from '../mount/remove-tree.ts';
import { unmountAll } from '../mount/unmount.ts';
import type { ShareRecord } from './record.ts';
import { releaseScratch } from './scratch.ts';
import type { StateDirectory } from './state-directory.ts';

/**
 * Removes the directory that a host made for a share, and unmounts first what is on record as mounted in it. Its daemon
 * has ended.
 *
 * @throws StatusError FailedPrecondition where something else is mounted there, Unavailable where umount(8) fails
 */
export async function removeSource(
  { source, mounts }: Pick<ShareRecord, 'source' | 'mounts'>,
  { trash }: Pick<StateDirectory, 'trash'>,
): Promise<void> {
  if (!exists(source)) return;
  if (mounts.length > 0) await unmountAll(mounts.map(({ mountpoint }) => join(source, mountpoint)));
  await releaseScratch(source);
  trash.remove(source);
}
