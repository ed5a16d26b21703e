import { once } from 'node:events';
import { createServer, type Http2Server, type ServerHttp2Session } from 'node:http2';
import { setTimeout as delay } from 'node:timers/promises';
import type { ConnectRouter, Interceptor } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { Code, StatusError } from 'ttrpc-ts';

/** How long calls that are being answered have when the server ends, in milliseconds. */
const CLOSE_GRACE_MS = 1000;

/** How much of streams a connection may hold, in MB: containerd has one call waiting for each sandbox. */
const MAX_SESSION_MEMORY_MB = 1000;

/** A gRPC server. Disposal ends its calls with Unavailable, which callers take for "try again". */
export interface GrpcServer extends AsyncDisposable {
  /** Listens on a unix socket that only its owner can open, besides those on which it does already. */
  listen(path: string): Promise<void>;
}

/** Creates a server of the services that `routes` adds, for gRPC over HTTP/2 without TLS. */
export function createGrpcServer(
  routes: (router: ConnectRouter) => void,
  interceptors: Interceptor[],
): GrpcServer {
  const ending = new AbortController();
  const handle = connectNodeAdapter({
    routes,
    interceptors,
    connect: false,
    grpcWeb: false,
    acceptCompression: [],
    shutdownSignal: ending.signal,
  });
  const sessions = new Set<ServerHttp2Session>();
  const listening = new AsyncDisposableStack();
  return {
    async listen(path) {
      const server = createServer({ maxSessionMemory: MAX_SESSION_MEMORY_MB }, handle);
      server.on('session', (session) => {
        sessions.add(session);
        session.once('close', () => sessions.delete(session));
      });
      listenPrivately(server, path);
      await once(server, 'listening');
      // What accept(2) reports from now on concerns one connection.
      server.on('error', () => {});
      listening.use(server);
    },
    async [Symbol.asyncDispose]() {
      ending.abort(
        new StatusError(Code.Unavailable, 'The host is ending: try again, another one takes over'),
      );
      await Promise.all([...sessions].map(closeSession));
      await listening.disposeAsync();
    },
  };
}

/** Node.js binds within `listen()`, so that the umask gives the file its mode from the first moment. */
function listenPrivately(server: Http2Server, path: string): void {
  const umask = process.umask(0o177);
  try {
    server.listen(path);
  } finally {
    process.umask(umask);
  }
}

/** Lets a connection's last answers go out. */
async function closeSession(session: ServerHttp2Session): Promise<void> {
  const closed = once(session, 'close');
  session.close();
  await Promise.race([closed, delay(CLOSE_GRACE_MS, undefined, { ref: false })]);
  session.destroy();
}
