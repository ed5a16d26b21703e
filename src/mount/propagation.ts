import { listMounts, mountOf, mountsBeneath } from '../proc/mountinfo.ts';
import { runMount } from './run.ts';

/** Whether what is mounted in a directory later shows up in the mount namespaces that were copied from this one. */
export type Propagation = 'shared' | 'private';

/**
 * Makes a directory pass on, or keep to itself, what is mounted in it, by a bind mount of the directory on itself where
 * the mount that it stands on does otherwise.
 *
 * @throws StatusError Unavailable where mount(8) fails
 */
export async function ensurePropagation(directory: string, wanted: Propagation): Promise<void> {
  if (propagationOf(directory) === wanted) return;
  // It would hide them.
  if (mountsBeneath(directory).length > 0) return;
  await runMount('mount', ['--bind', `--make-${wanted}`, directory, directory], { about: directory });
}

/** Where a mount in a directory would show up, by a table of `readMounts()`. */
export const propagationOf = (directory: string, table?: string): Propagation =>
  mountOf(directory, table)?.peerGroup === undefined ? 'private' : 'shared';

/** Takes back what {@link ensurePropagation} has mounted; nothing else may be mounted there any more. */
export async function releasePropagation(directory: string): Promise<void> {
  const [mount, ...others] = mountsBeneath(directory);
  if (mount === undefined || others.some((other) => other !== mount)) return;
  const ours = listMounts().filter(({ mountpoint, root }) => mountpoint === mount && root !== '/');
  // Of an older version there may be several. A shell that stands there must not keep them.
  for (const _ of ours)
    // oxlint-disable-next-line no-await-in-loop -- one above the other
    await runMount('umount', ['--lazy', '--no-canonicalize', mount], { about: mount });
}
