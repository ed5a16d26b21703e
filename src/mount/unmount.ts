import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { isWithin, listMounts, mountsAt, resolveParent, type Mount } from '../proc/mountinfo.ts';
import { runMount, type MountOptions } from './run.ts';

/** So many mountpoints one umount(8) is given. */
const AT_A_TIME = 100;

/**
 * Unmounts what is mounted at a path, with what is mounted beneath it. Nothing there is no error.
 *
 * @returns whether anybody may still have it in use: then it is out of reach by name, and no more than that
 * @throws StatusError Unavailable where umount(8) fails, DeadlineExceeded; the signal's reason
 */
export async function unmount(target: string, options: MountOptions): Promise<{ isInUse: boolean }> {
  if (!isMounted(target)) return { isInUse: false };
  const run = (how: string): Promise<void> =>
    runMount('umount', [how, '--no-canonicalize', target], { ...options, about: target });
  try {
    await run('--recursive');
    return { isInUse: false };
  } catch {
    options.signal?.throwIfAborted();
    // Busy, or hung: a guest that has looked a file up keeps the mount busy for as long as it knows the file.
    if (!isMounted(target)) return { isInUse: false };
    await run('--lazy');
    return { isInUse: true };
  }
}

/**
 * Unmounts what is mounted at these paths, with what is mounted beneath and also what is in use. A mount with peers
 * elsewhere is parted from them first: to unmount what is mounted in it would unmount that from its peers too.
 *
 * @throws StatusError Unavailable where umount(8) fails
 */
export async function unmountAll(targets: readonly string[]): Promise<void> {
  const mounts = listMounts();
  // What a daemon has mounted by itself, as an image, is no mount of the host and has no parent there.
  const found = targets
    .filter((path) => existsSync(dirname(path)))
    .map((path) => resolveParent(path))
    .filter((path) => mounts.some(isAt(path)));
  for (const target of found) {
    const groups = mounts.filter(isIn(target)).flatMap(({ peerGroup }) => peerGroup ?? []);
    const hasPeers = mounts.some(
      (mount) => !isIn(target)(mount) && mount.peerGroup !== undefined && groups.includes(mount.peerGroup),
    );
    // oxlint-disable-next-line no-await-in-loop -- what somebody has mounted by hand, if anything
    if (hasPeers) await detach(target);
  }
  for (let index = 0; index < found.length; index += AT_A_TIME) {
    const some = found.slice(index, index + AT_A_TIME);
    // oxlint-disable-next-line no-await-in-loop -- seldom more than one
    await runMount('umount', ['--lazy', '--no-canonicalize', ...some], { about: some.join('", "') });
  }
}

/** Parts a mount, and those beneath, from all peers, so that what is done to it is done to it alone. */
export const detach = (mountpoint: string): Promise<void> =>
  runMount('mount', ['--make-rprivate', '--no-canonicalize', mountpoint], { about: mountpoint });

/** True where something is mounted at that path. The path is not touched: what is mounted there may hang. */
export const isMounted = (path: string): boolean => mountsAt(resolveParent(path)).length > 0;

const isAt =
  (path: string) =>
  ({ mountpoint }: Mount): boolean =>
    mountpoint === path;

const isIn =
  (path: string) =>
  ({ mountpoint }: Mount): boolean =>
    isWithin(mountpoint, path);
