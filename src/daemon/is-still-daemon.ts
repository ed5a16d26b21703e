import { statSync } from 'node:fs';
import { holdsFile } from '../proc/holds-file.ts';
import { isAlive, type ProcessIdentity } from '../proc/stat.ts';

/**
 * True while a process that was started as a daemon runs: that very process, and its output is the daemon's, or not yet,
 * where a starter has still to become it.
 */
export function isStillDaemon(identity: ProcessIdentity, outputPath: string): boolean {
  if (!isAlive(identity)) return false;
  const output = statSync(outputPath, { throwIfNoEntry: false });
  return !output || holdsFile(identity.pid, output) !== false;
}
