import { once } from 'node:events';
import type { Server } from 'node:net';

/** Permissions of the socket: its owner alone can connect. */
const UMASK = 0o177;

/** Listens on a unix socket. Node.js binds within `listen()`, so that the umask gives the file its mode from the first moment. */
export async function listenPrivately(server: Server, path: string): Promise<void> {
  const umask = process.umask(UMASK);
  try {
    server.listen(path);
  } finally {
    process.umask(umask);
  }
  await once(server, 'listening');
  // What accept(2) reports from now on concerns one connection; Node.js goes on accepting.
  server.on('error', () => {});
}
