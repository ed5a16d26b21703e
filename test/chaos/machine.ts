import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { readStat } from '../../src/proc/stat.ts';

/** A process that has something to do with a directory. */
export interface RelatedProcess {
  readonly pid: number;
  readonly parentPid: number;
  /** Its arguments, a blank between. */
  readonly command: string;
}

/** A line of /proc/net/unix. */
interface UnixSocket {
  readonly inode: string;
  readonly path: string;
  readonly isListening: boolean;
}

/** A host's open files, as far as they tell something. */
export interface Descriptors {
  /** What its descriptors of files below the directory name. */
  readonly files: readonly string[];
  /** How many others there are. */
  readonly others: number;
  /** How many files it watches. */
  readonly watches: number;
}

/** Files of a share are passed over that a process has mapped or works in: what it has as its standard three counts. */
const STANDARD = [0, 1, 2];

/** The processes that name a directory, write into a file of it, or have a socket of it; zombies are none. */
export function processesOf(directory: string): RelatedProcess[] {
  const inodes = new Set(socketsIn(directory).map(({ inode }) => `socket:[${inode}]`));
  const isRelated = (pid: number, command: string): boolean =>
    command.includes(directory) ||
    STANDARD.some((fd) => {
      const target = targetOf(`/proc/${pid}/fd/${fd}`);
      return target.startsWith(`${directory}/`) || inodes.has(target);
    });
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid)
    .flatMap((pid) => {
      const command = commandOf(pid);
      const stat = isRelated(pid, command) ? readStat(pid) : undefined;
      return stat && !'ZX'.includes(stat.state) ? [{ pid, parentPid: stat.parentPid, command }] : [];
    });
}

/** How many sockets somebody listens on that were bound below a directory. */
export const listenersIn = (directory: string): number =>
  socketsIn(directory).filter(({ isListening }) => isListening).length;

/** The open files of a host, those below `directory` apart. */
export function descriptorsOf(pid: number, directory: string): Descriptors {
  const targets = namesIn(`/proc/${pid}/fd`).map((fd) => [fd, targetOf(`/proc/${pid}/fd/${fd}`)] as const);
  const files = targets.flatMap(([, target]) => (target.startsWith(`${directory}/`) ? [target] : []));
  const watches = targets
    .filter(([, target]) => target === 'anon_inode:inotify')
    .flatMap(([fd]) => textOf(`/proc/${pid}/fdinfo/${fd}`).match(/^inotify wd/gm) ?? []);
  const others = targets.filter(([, target]) => target !== '').length - files.length;
  return { files, others, watches: watches.length };
}

/** The names in a directory; none where there is none. */
export function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).toSorted();
  } catch {
    return [];
  }
}

function socketsIn(directory: string): UnixSocket[] {
  return textOf('/proc/net/unix')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .flatMap(([, , , flags, , , inode = '', path = '']) =>
      path.startsWith(`${directory}/`) ? [{ inode, path, isListening: flags === '00010000' }] : [],
    );
}

const commandOf = (pid: number): string => textOf(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim();

function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

function targetOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
