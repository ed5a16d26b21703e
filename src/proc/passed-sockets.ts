import { fstatSync } from 'node:fs';
import { Code, StatusError } from 'ttrpc-ts';
import { readUnixSockets } from './unix-sockets.ts';

/** The first descriptor that systemd passes: sd_listen_fds(3). */
const FIRST_FD = 3;
const VARIABLES = ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES'];

/** A socket that somebody who started this process has opened for it, as systemd does for a `.socket` unit. */
export interface PassedSocket {
  readonly fd: number;
  /** Where it was bound; undefined where it is no unix socket that listens. */
  readonly path: string | undefined;
}

/**
 * Takes the sockets that were passed to this process. What it starts itself is not told of them.
 *
 * @throws StatusError InvalidArgument where that is no number, or not so many were passed
 */
export function takePassedSockets(environment: NodeJS.ProcessEnv = process.env): PassedSocket[] {
  const { LISTEN_PID, LISTEN_FDS } = environment;
  for (const name of VARIABLES) delete environment[name];
  // They may be meant for whoever started us.
  if (Number(LISTEN_PID) !== process.pid || LISTEN_FDS === undefined) return [];
  const listeners = readUnixSockets()?.listeners;
  return descriptors(LISTEN_FDS).map(({ fd, ino }) => ({ fd, path: listeners?.get(ino) }));
}

/** What was passed, or so it is said: the number is looked at by and by, because it can be any. */
function descriptors(count: string): { fd: number; ino: number }[] {
  const found: { fd: number; ino: number }[] = [];
  if (!/^\d+$/.test(count)) throw wrongCount(count, 'it is no number of sockets');
  for (let fd = FIRST_FD; fd < FIRST_FD + Number(count); fd += 1) found.push({ fd, ino: inodeOf(fd, count) });
  return found;
}

function inodeOf(fd: number, count: string): number {
  try {
    return fstatSync(fd).ino;
  } catch {
    throw wrongCount(count, `descriptor ${fd} is not open`);
  }
}

const wrongCount = (count: string, problem: string): StatusError =>
  new StatusError(
    Code.InvalidArgument,
    `Cannot take the sockets that were passed: LISTEN_FDS is "${count}", and ${problem}: start this host by a socket unit of systemd, or unset it`,
  );
