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
  /** True where the last sweep found neither its listener nor its VMM. */
  isMissing: boolean;
}

const watched = new Set<Watched>();
let timer: NodeJS.Timeout | undefined;

/**
 * Tells of the coming and going of a daemon's VMM by what the kernel knows of its socket, until its disposal. Keeps no
 * process alive.
 */
export function watchConnection(daemon: SilentDaemon): Disposable {
  const own = { daemon, isMissing: false };
  watched.add(own);
  timer ??= setInterval(sweep, SWEEP_MS).unref();
  return { [Symbol.dispose]: () => forget(own) };
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

function look(own: Watched, { listening, accepted }: UnixSockets): void {
  const { daemon } = own;
  if (accepted.has(daemon.boundPath)) return daemon.onClient();
  if (listening.has(daemon.boundPath) || !daemon.hadClient()) return;
  // The sockets of a daemon that is dying go before its process does.
  if (own.isMissing && isAlive(daemon.identity)) {
    forget(own);
    daemon.onClient();
    daemon.onLeft();
  }
  own.isMissing = true;
}
