import { createServer, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { mkdirSync, rmSync } from 'node:fs';
import { hiddenBeside, publishSocket, type SocketPlace } from '../address.ts';
import { listenPrivately } from '../listen-privately.ts';
import type { OwnFile } from '../own-file.ts';

/** A socket whose callers wait until somebody serves them. Disposal closes it, and lets down those who wait. */
export interface Reception extends AsyncDisposable {
  /** Gives the socket its address. */
  publish(options: { replaces: boolean }): OwnFile;
  /** Serves those who wait, and all that come. Returns the socket at its address. */
  serve(handle: (stream: Socket) => void): OwnFile;
}

/** Where the callers of a host wait. */
export interface Receptions {
  readonly ttrpc: Reception;
  /** Undefined where no controller is to be served. */
  readonly grpc: Reception | undefined;
}

/** Listens, beside the address at which it is to be later; makes the directory for it. */
export async function openReception(place: SocketPlace): Promise<Reception> {
  mkdirSync(dirname(place.address), { recursive: true, mode: 0o700 });
  const hidden = hiddenBeside(place.address);
  const waiting = new Set<Socket>();
  let handle: ((stream: Socket) => void) | undefined;
  let file: OwnFile | undefined;
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    if (handle) return handle(socket);
    waiting.add(socket);
    // Who has gone is told when somebody reads.
    socket.on('error', ignore);
  });
  await listenPrivately(server, hidden);
  return {
    publish(options) {
      file = publishSocket(hidden, place, options);
      return file;
    },
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
      if (!file) throw new Error('A reception that nobody finds');
      return file;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of waiting) socket.destroy();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
      rmSync(hidden, { force: true });
    },
  };
}

function ignore(): void {}
