import { readdir } from 'node:fs/promises';
import { identify } from '../../src/daemon/process-identity.ts';

/** What stands in a host's state directory besides its own three folders and its lock. */
export async function leftovers(state: string): Promise<string[]> {
  const entries = await readdir(state, { recursive: true }).catch(() => []);
  return entries.filter(
    (entry) =>
      ![
        's',
        'sandboxes',
        'shared',
        'host.lock',
        'host.sock',
        'host.address',
        'last-start',
        'start.lock',
      ].includes(entry),
  );
}

/** True when no process has that pid; a zombie that its parent has not asked for yet is none. */
export const isGone = (pid: number): boolean => identify(pid) === undefined;
