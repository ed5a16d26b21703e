import { dirname, join } from 'node:path';
import { readUnixSockets } from '../../src/proc/unix-sockets.ts';
import { obtainOrSkip } from '../setup/obtain.ts';

const { part: analyze = '', skip } = await obtainOrSkip('systemd');

/** Why nothing can be activated here, as an option of a test. */
export const noActivation: string | false = skip;

/** A command that listens as systemd does for a socket unit, and becomes a program when somebody connects. */
export const activated = (
  path: string,
  command: readonly string[],
  variables: readonly string[] = [],
): string[] => [
  join(dirname(analyze), 'systemd-socket-activate'),
  `--listen=${path}`,
  ...variables.map((name) => `--setenv=${name}`),
  ...command,
];

/** True where a socket that was bound to this path listens. */
export const hasListener = (path: string): boolean => readUnixSockets()?.listening.has(path) === true;
