import { readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** A mount of this process's mount namespace. */
export interface Mount {
  /** Of no other mount while this one exists, also where its mountpoint is used again. */
  readonly id: number;
  readonly mountpoint: string;
  /** Of the file system, the same for all mounts of it, e.g. `254:0`. */
  readonly device: string;
  /** What of the file system is mounted: `/` but for a bind mount of a directory in it. */
  readonly root: string;
  /** Of this mount alone, as the kernel names them, e.g. `ro` or `nosuid`. */
  readonly options: readonly string[];
  /** The number that it has in common with the mounts to which it passes on what is mounted on it, where it does. */
  readonly peerGroup: string | undefined;
  /** As the kernel names it, e.g. `ext4` or `fuse.sshfs`. */
  readonly fileSystem: string;
  /** Of the file system, as the kernel names them, e.g. `rw` or `prjquota`. */
  readonly superOptions: readonly string[];
}

/** This process's mounts, a later one over an earlier one of the same mountpoint. */
export const listMounts = (): Mount[] => parseMounts(readMounts());

let recent = { table: '', readAt: -Infinity };

/** The kernel's table of this process's mounts (proc(5), mountinfo). */
export function readMounts(): string {
  recent = { table: readFileSync('/proc/self/mountinfo', 'utf8'), readAt: performance.now() };
  return recent.table;
}

/** {@link readMounts} as it was at most so many milliseconds ago: with many mounts, to read it takes as long as a mount. */
export const recentMounts = (maxAgeMs: number): string =>
  performance.now() - recent.readAt < maxAgeMs ? recent.table : readMounts();

/** Says that this process has changed it. */
export const forgetMounts = (): void => void (recent = { table: '', readAt: -Infinity });

/** The mounts in a table of {@link readMounts}. */
export const parseMounts = (table: string): Mount[] => table.split('\n').filter(Boolean).map(parseMount);

/** The mounts at one path, resolved as the table has paths; of a long table nothing but these is parsed. */
export function mountsAt(path: string, table: string = readMounts()): Mount[] {
  const field = ` ${escapeOctal(path)} `;
  const found: Mount[] = [];
  for (let at = table.indexOf(field); at >= 0; at = table.indexOf(field, at)) {
    const [start, end] = [table.lastIndexOf('\n', at) + 1, table.indexOf('\n', at)];
    found.push(parseMount(table.slice(start, end)));
    at = end;
  }
  // What of a file system is mounted is a path as well.
  return found.filter(({ mountpoint }) => mountpoint === path);
}

/**
 * The mountpoints at or below a directory. The kernel's table has resolved paths: a state directory in /var/run is found
 * as one in /run. The directory itself is not touched: what is mounted there may hang.
 *
 * @throws the error of realpath(3) where its parent does not exist
 */
export function mountsBeneath(directory: string): string[] {
  const resolved = resolveParent(directory);
  return listMounts()
    .map(({ mountpoint }) => mountpoint)
    .filter((mountpoint) => isWithin(mountpoint, resolved));
}

/** A path as the kernel's table of mounts has it; as {@link mountsBeneath}, it does not touch what the path leads to. */
export const resolveParent = (path: string): string => join(realpathSync(dirname(path)), basename(path));

/** True for the directory and for what is beneath it. */
export const isWithin = (path: string, directory: string): boolean =>
  path === directory || path.startsWith(directory.endsWith('/') ? directory : `${directory}/`);

/** The mount on which a directory stands; of several at one place the last, which hides the others. */
export function mountOf(directory: string, table: string = readMounts()): Mount | undefined {
  for (let path = realpathSync(directory); ; path = dirname(path)) {
    const mount = mountsAt(path, table).at(-1);
    if (mount || path === '/') return mount;
  }
}

function parseMount(line: string): Mount {
  const fields = line.split(' ');
  const separator = fields.indexOf('-');
  const [fileSystem = '', , superOptions = ''] = fields.slice(separator + 1);
  const shared = fields.slice(6, separator).find((field) => field.startsWith('shared:'));
  return {
    id: Number(fields[0]),
    device: fields[2] ?? '',
    root: unescapeOctal(fields[3] ?? ''),
    mountpoint: unescapeOctal(fields[4] ?? ''),
    options: (fields[5] ?? '').split(','),
    peerGroup: shared?.slice('shared:'.length),
    fileSystem,
    superOptions: superOptions.split(','),
  };
}

/** As the kernel writes them. */
const escapeOctal = (text: string): string =>
  text.replaceAll(/[ \t\n\\]/g, (sign) => `\\${sign.charCodeAt(0).toString(8).padStart(3, '0')}`);

/** The kernel writes space, tab, newline and backslash as `\040` and so on. */
const unescapeOctal = (text: string): string =>
  text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCodePoint(Number.parseInt(digits, 8)));
