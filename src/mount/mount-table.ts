import { readFileSync } from 'node:fs';

/** The mountpoints at or below a directory in this process's mount namespace (proc(5), mountinfo). */
export function mountsBeneath(directory: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => unescapeOctal(line.split(' ')[4] ?? ''))
    .filter((mountpoint) => mountpoint === directory || mountpoint.startsWith(`${directory}/`));
}

/** The kernel writes space, tab, newline and backslash as `\040` and so on. */
const unescapeOctal = (text: string): string =>
  text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCodePoint(Number.parseInt(digits, 8)));
