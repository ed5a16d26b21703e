import { fstatSync, readFileSync } from 'node:fs';

/** The first descriptor that systemd passes: sd_listen_fds(3). */
const FIRST_FD = 3;
const VARIABLES = ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES'];

/** A socket that somebody who started this process has opened for it, as systemd does for a `.socket` unit. */
export interface PassedSocket {
  readonly fd: number;
  /** Where it was bound; undefined where it is no unix socket that listens. */
  readonly path: string | undefined;
}

/** Takes the sockets that were passed to this process. What it starts itself is not told of them. */
export function takePassedSockets(environment: NodeJS.ProcessEnv = process.env): PassedSocket[] {
  const { LISTEN_PID, LISTEN_FDS } = environment;
  for (const name of VARIABLES) delete environment[name];
  // They may be meant for whoever started us.
  if (Number(LISTEN_PID) !== process.pid) return [];
  const paths = listeningPaths();
  const fds = Array.from({ length: Number(LISTEN_FDS) }, (_, index) => FIRST_FD + index);
  return fds.map((fd) => ({ fd, path: paths.get(fstatSync(fd).ino) }));
}

/** The paths of unix stream sockets that listen, by inode. */
function listeningPaths(): ReadonlyMap<number, string> {
  const lines = readFileSync('/proc/net/unix', 'utf8').matchAll(
    /^\S+ \S+ \S+ 00010000 0001 \d{2} +(\d+) (\/.*)$/gm,
  );
  return new Map(Array.from(lines, ([, inode, path = '']) => [Number(inode), path]));
}
