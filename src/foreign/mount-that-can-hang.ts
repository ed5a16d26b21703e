import { lstatSync, readlinkSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { parseMounts, recentMounts, type Mount } from '../proc/mountinfo.ts';

/**
 * File systems that need no server: their kernel answers. Any other may wait for one for ever, and be unkillable while
 * it does. A path on these alone is touched directly, because a process for each touch would slow down every share.
 */
const LOCAL = new Set(
  (
    'bcachefs btrfs erofs exfat ext2 ext3 ext4 f2fs iso9660 jfs nilfs2 ntfs3 overlay squashfs udf vfat xfs zfs ' +
    'devtmpfs hugetlbfs ramfs rootfs tmpfs cgroup cgroup2 debugfs devpts mqueue proc securityfs sysfs tracefs'
  ).split(' '),
);

/** How old the table may be, in milliseconds: reading 1,000 mounts takes 5. A younger mount has just answered mount(8). */
export const MAX_TABLE_AGE_MS = 100;
/** As many links as the kernel follows (path_resolution(7)). */
const MAX_LINKS = 40;

let table = { text: '', mounts: new Map<string, Mount>(), canAnyHang: false };

/** The first mount on the way to a path that can hang, without touching it; undefined where the way is safe, or ends. */
export function mountThatCanHang(path: string): Mount | undefined {
  const { mounts, canAnyHang } = currentTable();
  if (!canAnyHang) return undefined;
  let links = 0;
  let walked = '/';
  const names = namesIn(isAbsolute(path) ? path : `${process.cwd()}/${path}`);
  for (;;) {
    const mount = mountOf(walked, mounts);
    if (mount && !LOCAL.has(mount.fileSystem)) return mount;
    const name = names.shift();
    if (name === undefined) return undefined;
    const next = name === '..' ? dirname(walked) : join(walked, name);
    const target = mounts.has(next) ? undefined : linkAt(next);
    if (target === undefined) walked = next;
    else {
      if (++links > MAX_LINKS) return undefined;
      if (isAbsolute(target)) walked = '/';
      names.unshift(...namesIn(target));
    }
  }
}

function currentTable(): typeof table {
  const text = recentMounts(MAX_TABLE_AGE_MS);
  // To parse it takes longer than to read it, and it seldom changes.
  if (text === table.text) return table;
  const canAnyHang = fileSystemsIn(text).some((fileSystem) => !LOCAL.has(fileSystem));
  const list = canAnyHang ? parseMounts(text) : [];
  table = { text, mounts: new Map(list.map((mount) => [mount.mountpoint, mount])), canAnyHang };
  return table;
}

/** Without the rest, which is seldom needed. */
const fileSystemsIn = (text: string): string[] =>
  Array.from(text.matchAll(/ - (\S+) /g), ([, fileSystem = '']) => fileSystem);

function mountOf(path: string, mounts: ReadonlyMap<string, Mount>): Mount | undefined {
  for (let at = path; ; at = dirname(at)) {
    const mount = mounts.get(at);
    if (mount || at === '/') return mount;
  }
}

/** Not normalized: what `..` leads to depends on the links before it. */
const namesIn = (path: string): string[] => path.split('/').filter((name) => name !== '' && name !== '.');

/** What stands in a symbolic link; undefined where there is none, or where the way ends. */
function linkAt(path: string): string | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ? readlinkSync(path) : undefined;
  } catch {
    return undefined; // the touch itself says why
  }
}
