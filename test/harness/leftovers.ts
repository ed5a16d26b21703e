import { readdir } from 'node:fs/promises';
import { identify } from '../../src/proc/stat.ts';

/** What a host has in its state directory that is its own: folders, locks, address, the socket of a prepared process. */
const OWN =
  /^(s|sandboxes|shared(\/[0-9a-f]{16})?|reserve|deletions|host\.(lock|sock|address|pid)|last-start|start\.lock|s\/\.[0-9a-f]{12}(\.new)?)$/;

/** What of sandboxes and shares stands in a host's state directory. */
export async function leftovers(state: string): Promise<string[]> {
  const entries = await readdir(state, { recursive: true }).catch(() => []);
  return entries.filter((entry) => !OWN.test(entry));
}

/** True when no process has that pid; a zombie that its parent has not asked for yet is none. */
export const isGone = (pid: number): boolean => identify(pid) === undefined;
