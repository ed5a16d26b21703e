import { lstatSync } from 'node:fs';
import { Code, StatusError } from 'ttrpc-ts';
import { loadExeca } from '../proc/execa.ts';
import { mountsBeneath } from '../proc/mountinfo.ts';

/**
 * Removes a directory that the host owns, with what is in it; one that is gone is no error. A child does it: Node.js
 * removes by path, which a guest's nesting makes too long, and holds the names of all files in memory.
 *
 * @throws StatusError FailedPrecondition while something is mounted there; Unavailable for what rm(1) could not remove
 */
export async function removeTree(directory: string): Promise<void> {
  const execa = await loadExeca();
  if (!exists(directory)) return;
  requireNoMounts(directory);
  // It goes on when the host ends.
  const { failed, stderr, shortMessage } = await execa('rm', ['-rf', '--one-file-system', '--', directory], {
    stdin: 'ignore',
    stdout: 'ignore',
    maxBuffer: 4096,
    detached: true,
    cleanup: false,
    reject: false,
    cwd: '/',
  });
  if (!failed) return;
  const problem = stderr ? stderr.split('\n', 1)[0] : shortMessage;
  throw new StatusError(Code.Unavailable, `Cannot remove "${directory}": ${problem}`);
}

/** @throws StatusError FailedPrecondition where something is mounted: removing would reach into that source */
export function requireNoMounts(directory: string): void {
  const [mount] = mountsBeneath(directory);
  if (mount === undefined) return;
  const message = `Cannot remove "${directory}": "${mount}" is still mounted; unmount it first`;
  throw new StatusError(Code.FailedPrecondition, message);
}

/** Unlike `existsSync()`, takes no error for absence. */
export const exists = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;
