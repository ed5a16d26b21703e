import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { identify } from '../../src/proc/stat.ts';
import { eventually } from './eventually.ts';

/** What a host has in its state directory that is its own: folders, locks, address, the socket of a prepared process. */
const OWN =
  /^(s|sandboxes|shared(\/trash)?|staging|reserve|deletions|trash|host\.(lock|sock|address|pid)|last-start|start\.lock|s\/\.[0-9a-f]{12}(\.new)?)$/;

/** What of sandboxes and shares stands in a host's state directory, once what it removes in the background is gone. */
export async function leftovers(state: string): Promise<string[]> {
  await eventually('the trash is empty', async () => {
    // Not recursively: that fails where what it reads is being removed, and so looks empty.
    const names = ['trash', 'shared/trash'].map((name) => readdir(join(state, name)).catch(() => []));
    const trash = await Promise.all(names);
    return trash.flat().length === 0;
  });
  return (await entriesOf(state)).filter((entry) => !OWN.test(entry));
}

const entriesOf = (directory: string): Promise<string[]> =>
  readdir(directory, { recursive: true }).catch(() => []);

/** True when no process has that pid; a zombie that its parent has not asked for yet is none. */
export const isGone = (pid: number): boolean => identify(pid) === undefined;
