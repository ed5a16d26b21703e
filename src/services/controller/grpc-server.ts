import { once } from 'node:events';
import {
  createServer,
  type Http2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { ConnectRouter, Interceptor } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { Code, StatusError } from 'ttrpc-ts';
import { listenPrivately } from '../listen-privately.ts';

/** How long calls that are being answered have when the server ends, in milliseconds. */
const CLOSE_GRACE_MS = 1000;

const GRPC_ALONE = {
  connect: false,
  grpcWeb: false,
  acceptCompression: [],
  /** How large a message may be, as for containerd's own server (defaults.DefaultMaxRecvMsgSize). */
  readMaxBytes: 16 << 20,
};

/** What setTimeout() can do. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

const LIMITS = {
  /** How much of streams a connection may hold, in MB: containerd has one call waiting for each sandbox. */
  maxSessionMemory: 1000,
  /**
   * How many calls a connection may cancel at once, and each second from then on: containerd has one connection, and
   * Node.js ends it with all that wait on it. These limits are meant for strangers, who cannot reach the socket.
   */
  streamResetBurst: 100_000,
  streamResetRate: 10_000,
};

/** A gRPC server. Disposal ends its calls with Unavailable, which callers take for "try again". */
export interface GrpcServer extends AsyncDisposable {
  /**
   * Listens on a unix socket that only its owner can open, besides those on which it does already.
   *
   * @throws StatusError FailedPrecondition where the server is closed
   */
  listen(path: string): Promise<void>;
  /** Serves who has connected already. @throws StatusError FailedPrecondition where the server is closed */
  handle(stream: Socket): void;
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
    ...GRPC_ALONE,
    shutdownSignal: ending.signal,
  });
  const sessions = new Set<ServerHttp2Session>();
  const connections = new Set<Socket>();
  const servers: Http2Server[] = [];
  const create = (): Http2Server => {
    const server = createServer(LIMITS, leniently(handle));
    server.on('session', (session) => {
      sessions.add(session);
      session.once('close', () => sessions.delete(session));
    });
    server.on('connection', (socket) => {
      connections.add(socket);
      socket.once('close', () => connections.delete(socket));
    });
    return server;
  };
  let unbound: Http2Server | undefined;
  return {
    handle(stream) {
      requireOpen(ending.signal);
      unbound ??= create();
      unbound.emit('connection', stream);
      // One that was accepted paused: HTTP/2 has its handle, and does not start that.
      stream.read(0);
    },
    async listen(path) {
      requireOpen(ending.signal);
      const server = create();
      await listenPrivately(server, path);
      servers.push(server);
      if (!ending.signal.aborted) return;
      await server[Symbol.asyncDispose]();
      requireOpen(ending.signal);
    },
    async [Symbol.asyncDispose]() {
      // Before the connections end: a caller whose call has failed would connect again.
      const closed = Promise.all(servers.splice(0).map((server) => server[Symbol.asyncDispose]()));
      ending.abort(
        new StatusError(Code.Unavailable, 'The host is ending: try again, another one takes over'),
      );
      await Promise.all([...sessions].map(closeSession));
      // Node.js waits for a peer to end, which one that hangs does not.
      for (const socket of connections) socket.destroy();
      await closed;
    },
  };
}

function requireOpen(ending: AbortSignal): void {
  if (ending.aborted) throw new StatusError(Code.FailedPrecondition, 'Cannot serve: the server is closed');
}

type Handler = (request: Http2ServerRequest, response: Http2ServerResponse) => void;

/**
 * What a peer takes for our name does not count, and some send the socket's path, escaped. The adapter makes a URL of it,
 * and throws to nobody where it is none. It refuses deadlines in more than 24 days, of which `ctr --timeout` makes any.
 */
const leniently =
  (handle: Handler): Handler =>
  (request, response) => {
    const { headers } = request;
    headers[':authority'] = 'localhost';
    const [, count, unit] = /^(\d{1,8})([HM])$/.exec(String(headers['grpc-timeout'])) ?? [];
    if (Number(count) * (unit === 'H' ? 3_600_000 : 60_000) > MAX_TIMEOUT_MS) delete headers['grpc-timeout'];
    handle(request, response);
  };

/** Lets a connection's last answers go out. */
async function closeSession(session: ServerHttp2Session): Promise<void> {
  // It is gone as well where it ends with an error.
  const closed = once(session, 'close').catch(() => {});
  session.close();
  await Promise.race([closed, delay(CLOSE_GRACE_MS, undefined, { ref: false })]);
  session.destroy();
}
