import { realpathSync } from 'node:fs';
import { Code, StatusError } from 'ttrpc-ts';
import type { StateDirectory } from './state-directory.ts';

/**
 * Refuses a source by which a guest would reach the state: its sockets, its records and what other sandboxes share.
 *
 * @param source without symbolic links
 * @throws StatusError InvalidArgument
 */
export function requireOutsideState(source: string, { path, scratchDir }: StateDirectory): void {
  requireOutside(source, path, 'state directory');
  if (scratchDir !== path) requireOutside(source, scratchDir, 'scratch directory');
}

function requireOutside(source: string, directory: string, what: string): void {
  const resolved = realpathSync.native(directory);
  const problem = isWithin(resolved, source) ? 'holds' : isWithin(source, resolved) ? 'is in' : undefined;
  if (problem === undefined) return;
  const message = `Source "${source}" ${problem} the ${what} "${directory}": share another directory`;
  throw new StatusError(Code.InvalidArgument, message);
}

const isWithin = (path: string, directory: string): boolean =>
  `${path}/`.startsWith(directory.endsWith('/') ? directory : `${directory}/`);
