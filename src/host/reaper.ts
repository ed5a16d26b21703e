import { lstatSync } from 'node:fs';
import { shareFlight } from '../async/share-flight.ts';
import type { SandboxOnDisk } from '../share/leftovers.ts';
import { reapSandbox, type ReapParts } from '../share/reap.ts';

/** Ends what stands on disk of a sandbox, once for all who ask; undefined where nothing does. */
export type Reaper = (sandbox: SandboxOnDisk) => Promise<void> | undefined;

/** Creates a state directory's reaper. */
export function createReaper(parts: ReapParts): Reaper {
  const reaps = new Map<string, Promise<void>>();
  return ({ namespace, sandboxId }) => {
    const directory = parts.stateDir.sandboxDirectory(namespace, sandboxId);
    if (!reaps.has(directory) && !lstatSync(directory, { throwIfNoEntry: false })) return undefined;
    return shareFlight(reaps, directory, () => reapSandbox(directory, parts));
  };
}
