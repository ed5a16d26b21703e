import { createServer, type ListenOptions as NetListenOptions, type Server, type Socket } from 'node:net';
import { chmodSync, existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { checkSocketPath } from '../address.ts';
import { Code } from '../code.ts';
import { StatusError } from '../status-error.ts';

/** Where a server listens: a path that does not exist yet, or a listening descriptor that it was given. */
export type ListenTarget =
  | {
      readonly path: string;
      /** Permissions of the socket file. @default 0o600 */
      readonly mode?: number;
    }
  | { readonly fd: number };

/** A listening socket. Closing it removes its path. */
export interface Listener {
  /** What `Peer.listener` says. */
  readonly name: string;
  close(): Promise<void>;
}

/**
 * Starts to listen.
 *
 * @throws StatusError InvalidArgument where the path has more than 107 bytes, AlreadyExists where it exists,
 *   Unavailable for what else the system reports
 */
export async function openListener(
  target: ListenTarget,
  onSocket: (socket: Socket, name: string) => void,
): Promise<Listener> {
  const name = 'path' in target ? target.path : `fd:${target.fd}`;
  const server = createServer((socket) => onSocket(socket, name));
  await start(server, target, name);
  // What accept(2) reports from now on concerns one connection; Node.js goes on accepting.
  server.on('error', () => {});
  return { name, close: () => closeServer(server) };
}

async function start(server: Server, target: ListenTarget, name: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('listening', resolve);
  server.once('error', reject);
  try {
    if ('path' in target) listenOnPath(server, target.path, target.mode ?? DEFAULT_MODE);
    else server.listen({ fd: target.fd });
    await promise;
  } catch (cause) {
    if (StatusError.is(cause)) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    const status = code === 'EADDRINUSE' ? Code.AlreadyExists : Code.Unavailable;
    const why = ('path' in target && missingDirectory(target.path)) || message;
    throw new StatusError(status, `Cannot listen on "${name}": ${why}`, { cause });
  } finally {
    server.off('listening', resolve);
    server.off('error', reject);
  }
}

/** Says that the directory does not exist, where it does not: libuv says "permission denied" of that. */
function missingDirectory(path: string): string | undefined {
  const directory = dirname(path);
  return existsSync(directory) ? undefined : `directory "${directory}" does not exist`;
}

const DEFAULT_MODE = 0o600;

/** Node.js binds within `listen()`, so that the umask gives the file its mode from the first moment. */
function listenOnPath(server: Server, path: string, mode: number): void {
  checkSocketPath(path);
  const options: NetListenOptions = { path };
  if (!isMainThread) {
    server.listen(options, () => chmodSync(path, mode));
    return;
  }
  const umask = process.umask(0o777 & ~mode);
  try {
    server.listen(options);
  } finally {
    process.umask(umask);
  }
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    // The only error is that it is closed already.
    server.close(() => resolve());
  });
}
