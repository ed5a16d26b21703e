import { Code, StatusError } from 'ttrpc-ts';
import { messageOf } from '../../errors.ts';
import type { RootfsPart } from '../../host/contract.ts';
import type { Mount } from '../../proto/containerd/mount_pb.ts';
import { parseMountOptions, SHARE_TYPE } from '../mount-options.ts';

/**
 * The parts of a container's root file system that are to be mounted in a share: its mounts of type `virtiofs`, of which
 * `ro` counts. None where it has none of them.
 *
 * @throws StatusError InvalidArgument for an option that is not understood, and for other mounts besides
 */
export function parseRootfs(mounts: readonly Mount[], containerId: string): RootfsPart[] {
  if (!mounts.some(({ type }) => isShareType(type))) return [];
  return mounts.map((mount, index) => {
    try {
      return toPart(mount);
    } catch (cause) {
      const message = `Invalid root file system of container "${containerId}": rootfs.${index}: ${messageOf(cause)}`;
      throw new StatusError(Code.InvalidArgument, message, { cause });
    }
  });
}

/** With what the mount manager is to do first, as `format/virtiofs`. */
const isShareType = (type: string): boolean => type === SHARE_TYPE || type.endsWith(`/${SHARE_TYPE}`);

function toPart({ type, source, options }: Mount): RootfsPart {
  if (type !== SHARE_TYPE && isShareType(type))
    throw new Error(
      `"${type}" came as it was written: enable containerd's plugin io.containerd.mount-manager.v1.bolt`,
    );
  if (type !== SHARE_TYPE)
    throw new Error(`a share mounts no "${type}": use "${SHARE_TYPE}", or "format/${SHARE_TYPE}" upon it`);
  const { readOnly, cache, sharedFs } = parseMountOptions(options);
  if (cache !== undefined || sharedFs !== undefined)
    throw new Error('"cache=" and "shared_fs=" are options of a share, and this is mounted in one');
  return { source, readOnly };
}
