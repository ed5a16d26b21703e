import { readFileSync } from 'node:fs';

/** What /proc/net/unix says of a stream that somebody has accepted: no flags, type and state. */
const ACCEPTED = /^\S+ \S+ \S+ 00000000 0001 03 +\d+ (.*)$/gm;

/**
 * True where somebody is connected to the listening socket that was bound to this path, and was accepted: whatever it is
 * called by now, and whoever listens.
 */
export function isConnected(boundPath: string): boolean {
  try {
    const table = readFileSync('/proc/net/unix', 'utf8');
    return table.matchAll(ACCEPTED).some(([, path]) => path === boundPath);
  } catch {
    return false;
  }
}
