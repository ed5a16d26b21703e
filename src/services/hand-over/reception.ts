import { mkdirSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { hiddenBeside, publishSocket, type SocketPlace } from '../address.ts';
import { listenPrivately } from '../listen-privately.ts';
import type { OwnFile } from '../own-file.ts';

/** A socket whose callers wait until somebody serves them. Disposal closes it, and lets down those who wait. */
export interface Reception extends AsyncDisposable {
  /** Serves those who wait, and all that come. Returns the socket at its address. */
  serve(handle: (stream: Socket) => void): OwnFile;
  /** Accepts nobody from now on: who comes to a socket that another process has, too, waits for that one. */
  stop(): void;
}

/** One that nobody finds yet. */
export interface HiddenReception extends Reception {
  /** Gives the socket its address. */
  publish(options: { replaces: boolean }): OwnFile;
}

/** Where the callers of a host wait. */
export interface Receptions {
  /** Undefined where nobody can wait yet. */
  readonly ttrpc: Reception | undefined;
  /** Undefined where nobody can wait yet, and where no controller is to be served. */
  readonly grpc: Reception | undefined;
}

/** Listens, beside the address at which it is to be later; makes the directory for it. */
export async function openReception(place: SocketPlace): Promise<HiddenReception> {
  mkdirSync(dirname(place.address), { recursive: true, mode: 0o700 });
  const hidden = hiddenBeside(place.address);
  const waiting = createWaitingServer();
  let file: OwnFile | undefined;
  await listenPrivately(waiting.server, hidden);
  return {
    publish(options) {
      file = publishSocket(hidden, place, options);
      return file;
    },
    serve(handle) {
      waiting.serve(handle);
      if (!file) throw new Error('A reception that nobody finds');
      return file;
    },
    stop: () => waiting.stop(),
    async [Symbol.asyncDispose]() {
      await waiting.close();
      rmSync(hidden, { force: true });
    },
  };
}

/** A server whose connections wait until they are served. */
export interface WaitingServer {
  readonly server: Server;
  /** Serves those who wait, and all that come. */
  serve(handle: (stream: Socket) => void): void;
  /** Accepts nobody from now on. */
  stop(): void;
  /** Lets down those who wait. */
  close(): Promise<void>;
}

/** Creates one, which does not listen yet. */
export function createWaitingServer(): WaitingServer {
  const waiting = new Set<Socket>();
  let handle: ((stream: Socket) => void) | undefined;
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    if (handle) return handle(socket);
    waiting.add(socket);
    // Who has gone is told when somebody reads.
    socket.on('error', ignore);
  });
  let closed: Promise<void> | undefined;
  const stop = (): void => {
    if (server.listening) closed = new Promise((resolve) => server.close(() => resolve()));
  };
  return {
    server,
    stop,
    serve(next) {
      handle = (socket) => {
        try {
          next(socket.off('error', ignore));
        } catch {
          // Who came when its server had closed.
          socket.destroy();
        }
      };
      for (const socket of waiting) handle(socket);
      waiting.clear();
    },
    async close() {
      for (const socket of waiting) socket.destroy();
      stop();
      await closed;
    },
  };
}

function ignore(): void {}
