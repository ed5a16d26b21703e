import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** The tables of a network namespace in /proc/PID/net, and which of their columns is the inode. */
const TABLES = { unix: 6, tcp: 9, tcp6: 9, udp: 9, udp6: 9, netlink: 9 };
const SOCKET = /^socket:\[(\d+)\]$/;
const GONE: ReadonlySet<unknown> = new Set(['ENOENT', 'ESRCH']);

/** Looks for sockets of other network namespaces than that of a process and that of this one. */
export interface ForeignSocketFinder {
  /** True where the process holds one now, and where nobody can tell; it is asked first about that which was found last. */
  holdsOne(): boolean;
}

/**
 * Creates one. A unix socket that was accepted counts to the namespace of the process that connected: the kernel lists it
 * nowhere else, so nothing but the descriptor tells of a client from another namespace.
 */
export function foreignSocketFinder(pid: number): ForeignSocketFinder {
  const directory = `/proc/${pid}/fd`;
  let last: { fd: string; link: string } | undefined;
  return {
    holdsOne() {
      try {
        if (last && linkOf(directory, last.fd) === last.link) return true;
        last = findForeign(pid, directory);
        return last !== undefined;
      } catch (error) {
        return !GONE.has((error as NodeJS.ErrnoException).code);
      }
    },
  };
}

function findForeign(pid: number, directory: string): { fd: string; link: string } | undefined {
  const sockets = readdirSync(directory).flatMap((fd) => {
    const link = linkOf(directory, fd);
    const inode = SOCKET.exec(link ?? '')?.[1];
    return link === undefined || inode === undefined ? [] : [{ fd, link, inode }];
  });
  if (sockets.length === 0) return undefined;
  const known = new Set([...inodesOf(pid), ...inodesOf('self')]);
  return sockets.find(({ inode }) => !known.has(inode));
}

/** It may be closed meanwhile. */
function linkOf(directory: string, fd: string): string | undefined {
  try {
    return readlinkSync(`${directory}/${fd}`);
  } catch (error) {
    if (GONE.has((error as NodeJS.ErrnoException).code)) return undefined;
    throw error;
  }
}

const inodesOf = (pid: number | 'self'): string[] =>
  Object.entries(TABLES).flatMap(([name, column]) =>
    tableOf(pid, name).flatMap((line) => line.trim().split(/\s+/)[column] ?? []),
  );

/** A kernel without IPv6 has no tables of it. */
function tableOf(pid: number | 'self', name: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/net/${name}`, 'utf8').split('\n').slice(1);
  } catch (error) {
    if (GONE.has((error as NodeJS.ErrnoException).code)) return [];
    throw error;
  }
}
