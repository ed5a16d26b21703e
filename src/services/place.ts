import type { Logger } from 'pino';
import { keepFiles } from '../host/keep-files.ts';
import { identify } from '../proc/stat.ts';
import type { StateDirectory } from '../share/state-directory.ts';
import { writeOwnFile, type OwnFile } from './own-file.ts';
import type { OwnSocket } from './own-socket.ts';

/** Where a host is found: its sockets, and the files that tell of the first. Disposal removes the files. */
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
  /** That of the ttrpc services first. */
  readonly sockets: readonly [
    Pick<OwnSocket, 'address' | 'restore' | 'resume'>,
    ...Pick<OwnSocket, 'address' | 'restore' | 'resume'>[],
  ];
}

/** Lets callers find a host that listens, and keeps it so. */
export function openPlace({ stateDir, log, sockets }: PlaceParts): Place {
  const [{ address }] = sockets;
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
    const own = sockets.map((socket) => socket.address);
    return [...own, ...(announced.length > 0 ? [stateDir.host.address, stateDir.host.pid] : [])];
  };
  const restore = async (): Promise<void> => {
    await Promise.all(sockets.map((socket) => socket.restore()));
    if (announced.length > 0) announce();
  };
  announce();
  const kept = keepFiles(files, { restore, log });
  return {
    announce,
    hide,
    async resume() {
      if (isClosed || !stateDir.isInPlace()) return;
      await Promise.all(sockets.map((socket) => socket.resume()));
      announce();
    },
    [Symbol.dispose]() {
      isClosed = true;
      kept[Symbol.dispose]();
      hide();
    },
  };
}

/** Lets a shim's `start` and the commands find this process, and nobody else any more. Where it fails, its files go. */
export function announceHost({ host }: Pick<StateDirectory, 'host'>, address: string): OwnFile[] {
  const first = writeOwnFile(host.address, `${address}\n`);
  try {
    // Last: a `start` that finds it reads the address. A host that ends takes it away first.
    return [first, writeOwnFile(host.pid, `${process.pid} ${identify(process.pid)?.startTime}\n`)];
  } catch (error) {
    first.remove();
    throw error;
  }
}
