/**
 * Where the root file system of a container is in its share: `/rootfs-<container>`; what has several parts has
 * `/rootfs1-<container>` and so on besides. One name, as all mountpoints of a share.
 */
export const rootfsMountpoint = (containerId: string, index: number): string =>
  `/rootfs${index === 0 ? '' : index}-${containerId}`;

/** The container whose root file system is at a mountpoint; undefined where none is. */
export const containerOf = (mountpoint: string): string | undefined =>
  /^\/rootfs\d*-(.+)$/.exec(mountpoint)?.[1];
