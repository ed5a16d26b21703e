import { randomUUID } from 'node:crypto';
import { chmodSync, chownSync, closeSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { Code, MAX_SOCKET_PATH_BYTES, StatusError } from 'ttrpc-ts';
import { systemStatus } from '../proc/system-error.ts';

/** A listening unix socket that nobody accepts on, to be handed to a daemon. */
export interface Listener extends Disposable {
  /** The descriptor; this process closes its copy on disposal, a child's copy stays. */
  readonly fd: number;
  /** A hidden name beside its later one. Nobody knows it, so this process can never take a daemon's client. */
  readonly path: string;
  /** The name that it was bound to. */
  readonly boundPath: string;
}

/**
 * Opens a vhost-user socket on a daemon's behalf, with mode 0600, owned by the owner of its directory
 * (Kata's `getSocketFD`). Dispose of it before the event loop turns: this process would accept clients in that turn.
 *
 * @throws StatusError InvalidArgument when the path is too long or its directory is missing
 */
export function openListener(directory: string): Listener {
  requireDirectory(directory);
  // The numbers of identifiers are drawn in advance; to draw some here would hold up the start.
  const path = `${directory}/.${randomUUID().slice(-12)}`;
  const boundPath = `${path}.new`;
  requireShortPath(boundPath);
  const server = listen(boundPath);
  try {
    const fd = descriptorOf(server, boundPath);
    chmodSync(boundPath, 0o600);
    const owner = statSync(directory);
    chownSync(boundPath, owner.uid, owner.gid);
    // libuv unlinks the name that it bound when it closes its copy.
    renameSync(boundPath, path);
    return { fd, path, boundPath, [Symbol.dispose]: () => server.close() };
  } catch (error) {
    server.close();
    rmSync(path, { force: true });
    throw error;
  }
}

/** @throws StatusError InvalidArgument when a socket of that path cannot be connected to */
export function requireShortPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= MAX_SOCKET_PATH_BYTES) return;
  throw new StatusError(
    Code.InvalidArgument,
    `Socket path "${path}" has ${bytes} bytes, at most ${MAX_SOCKET_PATH_BYTES} fit: choose a shorter state directory`,
  );
}

/** Removes a daemon's socket, unless another daemon's has taken its place since its inode was learned. */
export function removeSocket(path: string, inode: number | undefined): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isSocket() && (inode === undefined || found.ino === inode)) rmSync(path, { force: true });
}

function requireDirectory(directory: string): void {
  try {
    statSync(directory);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT')
      throw systemStatus(cause, { doing: 'Cannot use the socket directory', path: directory }) ?? cause;
    const message = `Socket directory "${directory}" does not exist: create it first`;
    throw new StatusError(Code.InvalidArgument, message, { cause });
  }
}

function listen(path: string): Server {
  const server = createServer();
  // Node reports a failed bind later, as an event; descriptorOf() has already thrown by then.
  server.on('error', () => {});
  server.listen({ path });
  return server;
}

/** Node has no public way to a server's descriptor; the bind itself happens synchronously in listen(). */
function descriptorOf(server: Server, path: string): number {
  const fd = (server as unknown as { _handle: { fd: number } | null })._handle?.fd;
  if (fd === undefined || fd < 0) throw listenError(path);
  return fd;
}

/** Node tells why a bind failed when it is too late; what keeps a file from being made there keeps a socket. */
function listenError(path: string): Error {
  try {
    closeSync(openSync(path, 'wx'));
    rmSync(path);
  } catch (error) {
    const isPlace = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const status = isPlace ? undefined : systemStatus(error, { doing: 'Cannot listen on a socket', path });
    if (status) return status;
  }
  return new StatusError(
    Code.Unavailable,
    `Cannot listen on "${path}": check that its directory is writable`,
  );
}
