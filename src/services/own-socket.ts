import { existsSync } from 'node:fs';
import type { Socket } from 'node:net';
import { clearAddress, hiddenBeside, publishSocket, type SocketPlace } from './address.ts';
import type { Reception } from './hand-over/reception.ts';
import type { OwnFile } from './own-file.ts';

/** A socket that listens at an address. Disposal removes its file, unless another one has taken its place. */
export interface OwnSocket extends Disposable {
  readonly address: string;
  /** Listens again where somebody removed the file. */
  restore(): Promise<void>;
  /** Takes back the address where another host has taken it. */
  resume(): Promise<void>;
}

/** What serves callers. */
export interface SocketServer {
  listen(path: string): Promise<void>;
  /** Serves who has connected already. */
  handle(stream: Socket): void;
}

/**
 * Listens at an address in one step: nobody finds it before it answers. Where callers wait at a reception, it serves those.
 *
 * @throws StatusError AlreadyExists while another server answers there
 */
export async function openSocket(
  place: SocketPlace,
  server: SocketServer,
  reception?: Reception,
): Promise<OwnSocket> {
  const { address } = place;
  const publish = async (options: { replaces: boolean }): Promise<OwnFile> => {
    const hidden = hiddenBeside(address);
    await server.listen(hidden);
    return publishSocket(hidden, place, options);
  };
  if (!reception) await clearAddress(place);
  let file = reception
    ? reception.serve((stream) => server.handle(stream))
    : await publish({ replaces: false });
  return {
    address,
    async restore() {
      if (!existsSync(address)) file = await publish({ replaces: false });
    },
    async resume() {
      if (!file.isInPlace()) file = await publish({ replaces: true });
    },
    [Symbol.dispose]: () => file.remove(),
  };
}
