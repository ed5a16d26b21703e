import { readFileSync, realpathSync } from 'node:fs';

/**
 * The mountpoints at or below a directory in this process's mount namespace (proc(5), mountinfo). The kernel's table has
 * resolved paths: a state directory in /var/run is found as one in /run.
 *
 * @throws the error of realpath(3) where there is no such directory
 */
export function mountsBeneath(directory: string): string[] {
  const resolved = realpathSync(directory);
  const prefix = resolved.endsWith('/') ? resolved : `${resolved}/`;
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => unescapeOctal(line.split(' ')[4] ?? ''))
    .filter((mountpoint) => mountpoint === resolved || mountpoint.startsWith(prefix));
}

/** The kernel writes space, tab, newline and backslash as `\040` and so on. */
const unescapeOctal = (text: string): string =>
  text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCodePoint(Number.parseInt(digits, 8)));
