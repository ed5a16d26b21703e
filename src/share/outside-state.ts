import { realpathSync } from 'node:fs';
import { Code, StatusError } from 'ttrpc-ts';
import type { StateDirectory } from './state-directory.ts';

/**
 * Refuses a source by which a guest would reach the state: its sockets, its records and what other sandboxes share.
 *
 * @param source without symbolic links
 * @throws StatusError InvalidArgument
 */
export function requireOutsideState(source: string, { path }: StateDirectory): void {
  const state = realpathSync(path);
  const problem = isWithin(state, source) ? 'holds' : isWithin(source, state) ? 'is in' : undefined;
  if (problem === undefined) return;
  const message = `Source "${source}" ${problem} the state directory "${path}": share another directory`;
  throw new StatusError(Code.InvalidArgument, message);
}

const isWithin = (path: string, directory: string): boolean =>
  `${path}/`.startsWith(directory.endsWith('/') ? directory : `${directory}/`);
