import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { requireSafePath } from '../share/safe-path.ts';
import { hiddenBeside, publishSocket, removeStaleSocket, type SocketPlace } from './address.ts';

/** A socket that listens at an address. Disposal removes its file, unless another one has taken its place. */
export interface OwnSocket extends Disposable {
  readonly address: string;
  /** Listens again where somebody removed the file. */
  restore(): Promise<void>;
}

/**
 * Listens at an address in one step: nobody finds it before it answers.
 *
 * @throws StatusError AlreadyExists while another server answers there
 */
export async function openSocket(
  place: SocketPlace,
  listen: (path: string) => Promise<void>,
): Promise<OwnSocket> {
  const { address } = place;
  mkdirSync(dirname(address), { recursive: true, mode: 0o700 });
  requireSafePath(dirname(address));
  await removeStaleSocket(place);
  const publish = async (): Promise<ReturnType<typeof publishSocket>> => {
    const hidden = hiddenBeside(address);
    await listen(hidden);
    return publishSocket(hidden, place);
  };
  let file = await publish();
  return {
    address,
    async restore() {
      if (!existsSync(address)) file = await publish();
    },
    [Symbol.dispose]: () => file.remove(),
  };
}
