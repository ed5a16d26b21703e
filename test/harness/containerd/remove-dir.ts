import { readFile, rm } from 'node:fs/promises';

import { execa } from 'execa';

/** Removes a directory tree after unmounting whatever is mounted below it, so that no mount's contents go. */
export async function removeDir(dir: string): Promise<void> {
  for (const mountPoint of await mountsBelow(dir)) await execa('umount', ['--lazy', mountPoint]);
  const left = await mountsBelow(dir);
  if (left.length > 0) throw new Error(`Cannot remove "${dir}": still mounted: ${left.join(', ')}`);
  await rm(dir, { recursive: true, force: true });
}

/** The mount points below a directory, the latest mount first. */
export async function mountsBelow(dir: string): Promise<string[]> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).trimEnd().split('\n');
  return lines
    .map((line) => unescape(line.split(' ')[4] ?? ''))
    .filter((mountPoint) => mountPoint === dir || mountPoint.startsWith(`${dir}/`))
    .toReversed();
}

/** The kernel writes space, tab, newline and backslash as \ and three octal digits. */
function unescape(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
