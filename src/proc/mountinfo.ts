import { readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** A mount of this process's mount namespace. */
export interface Mount {
  /** Of no other mount while this one exists, also where its mountpoint is used again. */
  readonly id: number;
  readonly mountpoint: string;
  /** As the kernel names it, e.g. `ext4` or `fuse.sshfs`. */
  readonly fileSystem: string;
  /** Of the file system, as the kernel names them, e.g. `rw` or `prjquota`. */
  readonly superOptions: readonly string[];
}

/** This process's mounts, a later one over an earlier one of the same mountpoint. */
export const listMounts = (): Mount[] => parseMounts(readMounts());

/** The kernel's table of this process's mounts (proc(5), mountinfo). */
export const readMounts = (): string => readFileSync('/proc/self/mountinfo', 'utf8');

/** The mounts in a table of {@link readMounts}. */
export const parseMounts = (table: string): Mount[] => table.split('\n').filter(Boolean).map(parseMount);

/**
 * The mountpoints at or below a directory. The kernel's table has resolved paths: a state directory in /var/run is found
 * as one in /run. The directory itself is not touched: what is mounted there may hang.
 *
 * @throws the error of realpath(3) where its parent does not exist
 */
export function mountsBeneath(directory: string): string[] {
  const resolved = join(realpathSync(dirname(directory)), basename(directory));
  const prefix = resolved.endsWith('/') ? resolved : `${resolved}/`;
  return listMounts()
    .map(({ mountpoint }) => mountpoint)
    .filter((mountpoint) => mountpoint === resolved || mountpoint.startsWith(prefix));
}

function parseMount(line: string): Mount {
  const fields = line.split(' ');
  const [fileSystem = '', , superOptions = ''] = fields.slice(fields.indexOf('-') + 1);
  return {
    id: Number(fields[0]),
    mountpoint: unescapeOctal(fields[4] ?? ''),
    fileSystem,
    superOptions: superOptions.split(','),
  };
}

/** The kernel writes space, tab, newline and backslash as `\040` and so on. */
const unescapeOctal = (text: string): string =>
  text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCodePoint(Number.parseInt(digits, 8)));
