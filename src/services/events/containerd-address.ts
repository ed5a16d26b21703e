import { existsSync } from 'node:fs';
import { MAX_SOCKET_PATH_BYTES } from 'ttrpc-ts';
import { DEFAULT_STATE } from '../../config/default-state.ts';
import { DEFAULT_TTRPC_ADDRESS, type Config } from '../../config/schema.ts';

/** Where containerd takes events, as far as that is known. */
export interface ContainerdAddress {
  /** A unix socket's path; undefined where there is none yet, or none is wanted. */
  current(this: void): string | undefined;
  /** What a shim's `start` was told; the configuration counts for more. */
  told(address: string): void;
}

/** Creates it. `TTRPC_ADDRESS` is what the `start` was told that started this process. */
export function createContainerdAddress(config: Pick<Config, 'containerd' | 'state'>): ContainerdAddress {
  const { ttrpcAddress: configured } = config.containerd;
  let last = socketOf(process.env['TTRPC_ADDRESS'] ?? '');
  // The host of a node; another one would tell containerd of what is none of its business.
  let guess = config.state === DEFAULT_STATE ? DEFAULT_TTRPC_ADDRESS : undefined;
  const guessed = (): string | undefined => {
    if (guess === undefined || !existsSync(guess)) return undefined;
    // It is containerd's, also while containerd is away.
    last = guess;
    guess = undefined;
    return last;
  };
  return {
    current: () => (configured === undefined ? (last ?? guessed()) : configured || undefined),
    told(address) {
      last = socketOf(address) ?? last;
    },
  };
}

function socketOf(address: string): string | undefined {
  const path = address.replace(/^unix:\/\//, '');
  return path.startsWith('/') && Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES ? path : undefined;
}
