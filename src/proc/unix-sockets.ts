import { readFileSync } from 'node:fs';

/** What /proc/net/unix says of a stream socket with a path: its flags, state and inode. */
const LINE = /^\S+ \S+ \S+ (\d{8}) 0001 (\d{2}) +(\d+) (\/.*)$/gm;
const LISTENING = '00010000';
const CONNECTED = '03';

/** The stream sockets of this network namespace, by the paths that they or their listeners were bound to. */
export interface UnixSockets {
  /** Somebody listens. */
  readonly listening: ReadonlySet<string>;
  /** The same by inode. */
  readonly listeners: ReadonlyMap<number, string>;
  /** Somebody is connected, and was accepted: whoever listens by now. */
  readonly accepted: ReadonlySet<string>;
}

/** Asks the kernel; undefined where it cannot be asked. */
export function readUnixSockets(): UnixSockets | undefined {
  let table: string;
  try {
    table = readFileSync('/proc/net/unix', 'utf8');
  } catch {
    return undefined;
  }
  const listeners = new Map<number, string>();
  const accepted = new Set<string>();
  for (const [, flags, state, inode, path = ''] of table.matchAll(LINE)) {
    if (flags === LISTENING) listeners.set(Number(inode), path);
    else if (state === CONNECTED) accepted.add(path);
  }
  return { listening: new Set(listeners.values()), listeners, accepted };
}

/**
 * True where somebody is connected to the listening socket that was bound to this path, and was accepted: whatever it is
 * called by now, and whoever listens.
 */
export const isConnected = (boundPath: string): boolean =>
  readUnixSockets()?.accepted.has(boundPath) === true;
