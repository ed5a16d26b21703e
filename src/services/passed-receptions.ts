import { once } from 'node:events';
import { closeSync, lstatSync } from 'node:fs';
import type { Logger } from 'pino';
import { Code, StatusError } from 'ttrpc-ts';
import type { PassedSocket } from '../proc/passed-sockets.ts';
import { requireSafePath } from '../share/safe-path.ts';
import type { SocketPlace } from './address.ts';
import { createWaitingServer, type Reception, type Receptions } from './hand-over/reception.ts';
import { ownFile } from './own-file.ts';
import type { Places } from './places.ts';

/** Who else may connect, which takes the permission to write: its group, and others. */
const OTHERS = 0o022;

/**
 * Serves at sockets that were passed to this process: their file stays whatever becomes of this process, and who connects
 * while there is none waits for the next.
 *
 * @throws StatusError InvalidArgument for one that is no address of this host, or to which others can connect;
 *   FailedPrecondition where another user has it, or can change what leads there
 */
export async function receivePassed(passed: readonly PassedSocket[], places: Places): Promise<Receptions> {
  const found = new Map(passed.map((socket) => [placeOf(socket, places), socket.fd]));
  await using undo = new AsyncDisposableStack();
  const receive = async (place: SocketPlace | undefined): Promise<Reception | undefined> => {
    const fd = place && found.get(place);
    return place && fd !== undefined ? undo.use(await listenAt(place.address, fd)) : undefined;
  };
  const receptions = { ttrpc: await receive(places.ttrpc), grpc: await receive(places.grpc) };
  undo.move();
  return receptions;
}

/** Closes what was passed to a host that has taken over the addresses of another. */
export function closePassed(passed: readonly PassedSocket[], log: Logger): void {
  if (passed.length === 0) return;
  for (const { fd } of passed) closeSync(fd);
  const paths = passed.map(({ path }) => path);
  const message =
    'Took over from a host that had these addresses itself: until the socket units are restarted, who calls them while no host runs is refused';
  log.warn({ paths }, message);
}

function placeOf({ path }: PassedSocket, { ttrpc, grpc }: Places): SocketPlace {
  const place = [ttrpc, grpc].find((one) => one?.address === path);
  const wanted = grpc
    ? `"${ttrpc.address}" or "${grpc.address}"`
    : `"${ttrpc.address}", or configure [grpc], or mask the unit`;
  if (!place || path === undefined)
    throw refuse(
      `it listens at ${path === undefined ? 'no path' : `"${path}"`}: set ListenStream to ${wanted}`,
    );
  const mode = lstatSync(path, { throwIfNoEntry: false })?.mode;
  if (mode !== undefined && mode & OTHERS)
    throw refuse(`others can connect to "${path}": set SocketMode=0600`);
  requireSafePath(path);
  return place;
}

const refuse = (problem: string): StatusError =>
  new StatusError(
    Code.InvalidArgument,
    `Cannot serve at the socket that was passed (LISTEN_FDS): ${problem}`,
  );

async function listenAt(path: string, fd: number): Promise<Reception> {
  const waiting = createWaitingServer();
  const file = ownFile(path);
  waiting.server.listen({ fd });
  await once(waiting.server, 'listening');
  // What accept(2) reports from now on concerns one connection; Node.js goes on accepting.
  waiting.server.on('error', () => {});
  return {
    serve(handle) {
      waiting.serve(handle);
      // Not the host's to remove.
      return { isInPlace: () => file.isInPlace(), remove: () => {} };
    },
    stop: () => waiting.stop(),
    [Symbol.asyncDispose]: () => waiting.close(),
  };
}
