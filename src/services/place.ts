import type { Logger } from 'pino';
import { keepFiles } from '../host/keep-files.ts';
import { identify } from '../proc/stat.ts';
import type { StateDirectory } from '../share/state-directory.ts';
import { writeOwnFile, type OwnFile } from './own-file.ts';

/** Where a host is found: its socket, and the files that tell of it. Disposal removes them. */
export interface Place extends Disposable {
  /** Lets callers find this host. */
  announce(): void;
  /** Nobody finds this host from now on, unless it has already. */
  hide(): void;
  /** Takes back what another host took that was to follow this one. */
  resume(): Promise<void>;
}

/** What a place is made of. */
export interface PlaceParts {
  readonly stateDir: StateDirectory;
  readonly log: Logger;
  readonly address: string;
  /** What stands at the address. */
  readonly socket: OwnFile;
  /** Listens at the address anew. */
  readonly listen: (options: { replaces: boolean }) => Promise<OwnFile>;
}

/** Lets callers find a host that listens, and keeps it so. */
export function openPlace({ stateDir, log, address, listen, ...parts }: PlaceParts): Place {
  let { socket } = parts;
  let announced: OwnFile[] = [];
  let isClosed = false;
  const announce = (): void => {
    if (stateDir.isInPlace()) announced = announceHost(stateDir, address);
  };
  const hide = (): void => {
    for (const file of announced.splice(0).toReversed()) file.remove();
  };
  const files = (): string[] => {
    if (!stateDir.isInPlace()) return [];
    return [address, ...(announced.length > 0 ? [stateDir.host.address, stateDir.host.pid] : [])];
  };
  const restore = async (missing: readonly string[]): Promise<void> => {
    if (missing.includes(address)) socket = await listen({ replaces: false });
    if (announced.length > 0) announce();
  };
  announce();
  const kept = keepFiles(files, { restore, log });
  return {
    announce,
    hide,
    async resume() {
      if (isClosed || !stateDir.isInPlace()) return;
      if (!socket.isInPlace()) socket = await listen({ replaces: true });
      announce();
    },
    [Symbol.dispose]() {
      isClosed = true;
      kept[Symbol.dispose]();
      hide();
      socket.remove();
    },
  };
}

/** Lets a shim's `start` and the commands find this process, and nobody else any more. */
export const announceHost = ({ host }: Pick<StateDirectory, 'host'>, address: string): OwnFile[] => [
  writeOwnFile(host.pid, `${process.pid} ${identify(process.pid)?.startTime}\n`),
  writeOwnFile(host.address, `${address}\n`),
];
