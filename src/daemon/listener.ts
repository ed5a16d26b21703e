import { chmodSync, chownSync, existsSync, renameSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { dirname } from 'node:path';
import { Code, StatusError } from 'ttrpc-ts';

/** The longest path of a unix socket, in bytes (unix(7): `sun_path` has 108 with its final NUL). */
export const MAX_SOCKET_PATH_BYTES = 107;

/** A listening unix socket that nobody accepts on, to be handed to a daemon. */
export interface Listener extends Disposable {
  /** The descriptor; this process closes its copy on disposal, the daemon's copy stays. */
  readonly fd: number;
  /** Gives the socket its final name. Until then no client can find it, so this process can never take a connection. */
  publish(): void;
}

/**
 * Opens a vhost-user socket on a daemon's behalf, with mode 0600, owned by the owner of its directory
 * (Kata's `getSocketFD`). It listens at once under a temporary name. Use it in one synchronous stretch:
 * an event loop turn between `publish()` and disposal would let this process accept the client.
 *
 * @throws StatusError InvalidArgument when the path is too long or its directory is missing
 */
export function openListener(socketPath: string): Listener {
  const directory = dirname(socketPath);
  if (!existsSync(directory)) {
    throw new StatusError(
      Code.InvalidArgument,
      `Socket directory "${directory}" does not exist: create it first`,
    );
  }
  const bytes = Buffer.byteLength(socketPath);
  const temporaryPath = `${directory}/.${process.pid.toString(36)}`;
  if (Math.max(bytes, Buffer.byteLength(temporaryPath)) > MAX_SOCKET_PATH_BYTES) {
    throw new StatusError(
      Code.InvalidArgument,
      `Socket path "${socketPath}" has ${bytes} bytes, at most ${MAX_SOCKET_PATH_BYTES} fit: choose a shorter state directory`,
    );
  }
  rmSync(temporaryPath, { force: true });
  const server = listen(temporaryPath);
  try {
    const fd = descriptorOf(server, temporaryPath);
    chmodSync(temporaryPath, 0o600);
    const owner = statSync(directory);
    chownSync(temporaryPath, owner.uid, owner.gid);
    return {
      fd,
      publish: () => renameSync(temporaryPath, socketPath),
      // libuv unlinks the name it bound; after publish() that name is gone and the socket keeps its final one.
      [Symbol.dispose]: () => server.close(),
    };
  } catch (error) {
    server.close();
    throw error;
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
  if (fd === undefined || fd < 0) {
    throw new StatusError(
      Code.Unavailable,
      `Cannot listen on "${path}": check that its directory is writable`,
    );
  }
  return fd;
}
