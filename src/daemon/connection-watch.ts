import { foreignSocketFinder, type ForeignSocketFinder } from '../proc/foreign-socket.ts';
import { isAlive, type ProcessIdentity } from '../proc/stat.ts';
import { readUnixSockets, type UnixSockets } from '../proc/unix-sockets.ts';

/** How often the kernel is asked, in milliseconds: once for all daemons. */
const SWEEP_MS = 500;

/** A daemon that says nothing of its VMM. */
export interface SilentDaemon {
  readonly identity: ProcessIdentity;
  /** What its socket was bound to. */
  readonly boundPath: string;
  /** True where a VMM is known to have come, also one that has left. */
  hadClient(): boolean;
  onClient(): void;
  /** Called once, and after `onClient`. */
  onLeft(): void;
}

interface Watched {
  readonly daemon: SilentDaemon;
  readonly foreign: ForeignSocketFinder;
  /** True where the last sweep found neither its listener nor its VMM. */
  isMissing: boolean;
}

const watched = new Set<Watched>();
let timer: NodeJS.Timeout | undefined;

/** A watch of a daemon's connection; ends with its disposal. */
export interface ConnectionWatch extends Disposable {
  /** True where its VMM is connected now, as far as the kernel can be asked. */
  hasClient(): boolean;
}

/**
 * Tells of the coming and going of a daemon's VMM by what the kernel knows of its socket, until its disposal. Keeps no
 * process alive.
 */
export function watchConnection(daemon: SilentDaemon): ConnectionWatch {
  const own = { daemon, foreign: foreignSocketFinder(daemon.identity.pid), isMissing: false };
  watched.add(own);
  timer ??= setInterval(sweep, SWEEP_MS).unref();
  return {
    hasClient: () => {
      const sockets = readUnixSockets();
      return sockets !== undefined && hasClient(own, sockets);
    },
    [Symbol.dispose]: () => forget(own),
  };
}

function forget(own: Watched): void {
  watched.delete(own);
  if (watched.size > 0) return;
  clearInterval(timer);
  timer = undefined;
}

function sweep(): void {
  const sockets = readUnixSockets();
  if (!sockets) return;
  for (const own of watched) look(own, sockets);
}

function look(own: Watched, sockets: UnixSockets): void {
  const { daemon } = own;
  if (hasClient(own, sockets)) {
    own.isMissing = false;
    return daemon.onClient();
  }
  if (sockets.listening.has(daemon.boundPath) || !daemon.hadClient()) {
    own.isMissing = false;
    return;
  }
  // The sockets of a daemon that is dying go before its process does.
  if (own.isMissing && isAlive(daemon.identity)) {
    forget(own);
    daemon.onClient();
    daemon.onLeft();
  }
  own.isMissing = true;
}

/** The kernel does not list a VMM here that is in another network namespace, as in a pod's: the daemon holds it. */
function hasClient({ daemon, foreign }: Watched, { listening, accepted }: UnixSockets): boolean {
  const { boundPath } = daemon;
  if (accepted.has(boundPath)) return true;
  return !listening.has(boundPath) && daemon.hadClient() && foreign.holdsOne();
}
