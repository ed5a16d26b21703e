import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { identify } from '../../src/proc/stat.ts';
import { eventually } from './eventually.ts';

/** What a host has in its state directory that is its own: folders, locks, address, the socket of a prepared process. */
const OWN =
  /^(s|sandboxes|shared|reserve|deletions|trash|host\.(lock|sock|address|pid)|last-start|start\.lock|s\/\.[0-9a-f]{12}(\.new)?)$/;

/** What of sandboxes and shares stands in a host's state directory, once what it removes in the background is gone. */
export async function leftovers(state: string): Promise<string[]> {
  // Its own names are enough: what is below them may be too deep to be listed.
  const trash = join(state, 'trash');
  await eventually('the trash is empty', async () => (await namesIn(trash)).length === 0);
  return (await namesIn(state, { recursive: true })).filter((entry) => !OWN.test(entry));
}

/** None where there is no such directory. What is removed while it is read says nothing: it is read again. */
async function namesIn(directory: string, options: { recursive?: boolean } = {}): Promise<string[]> {
  for (;;) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- until nobody removes anything
      return await readdir(directory, options);
    } catch (error) {
      if (!['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
      if (!existsSync(directory)) return [];
    }
  }
}

/** True when no process has that pid; a zombie that its parent has not asked for yet is none. */
export const isGone = (pid: number): boolean => identify(pid) === undefined;
