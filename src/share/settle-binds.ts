import type { Logger } from 'pino';
import { removePlace } from '../mount/place.ts';
import { isMounted, unmount } from '../mount/unmount.ts';
import { placeOf } from './bind-mounts.ts';
import { recordMounts, type MountRecord, type ShareRecord } from './record.ts';
import type { StateDirectory } from './state-directory.ts';

/**
 * Makes the bind mounts on record of a share those that there are: undoes what its former host had not done when it died,
 * and forgets what is not mounted any more. What cannot be undone stays on record.
 */
export async function settleBinds(
  { stateDir, log }: { readonly stateDir: StateDirectory; readonly log: Logger },
  record: ShareRecord,
): Promise<void> {
  const { namespace, sandboxId, tag, source: sharedDir } = record;
  const isThere = async (mount: MountRecord): Promise<boolean> => {
    const { mountpoint, isPending = false } = mount;
    const told = { sandbox: sandboxId, share: tag, mountpoint };
    try {
      const target = placeOf({ sharedDir }, mountpoint);
      if (!isPending && isMounted(target)) return true;
      log.warn(told, isPending ? 'Undoing a mount that its host did not finish' : 'A mount is gone');
      await unmount(target, {});
      removePlace(target);
      return false;
    } catch (error) {
      log.error({ ...told, err: error }, 'Cannot undo a mount');
      return true;
    }
  };
  const found = await Promise.all(record.mounts.map(isThere));
  if (found.every(Boolean)) return;
  const gone = record.mounts.filter((_, index) => !found[index]).map(({ mountpoint }) => mountpoint);
  const files = stateDir.share(namespace, sandboxId, tag);
  stateDir.reserve.use(() =>
    recordMounts(files, {
      mounts: record.mounts.filter((_, index) => found[index]),
      formerMountpoints: [...(record.formerMountpoints ?? []), ...gone],
    }),
  );
}
