import { randomBytes } from 'node:crypto';
import { linkSync, lstatSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Code, connect, StatusError } from 'ttrpc-ts';
import { messageOf } from '../errors.ts';
import { requireSafePath } from '../share/safe-path.ts';
import { ownFile, type OwnFile } from './own-file.ts';

/** A name beside a socket's later one. Whatever closes the socket unlinks this name, and not what has the later one. */
export const hiddenBeside = (address: string): string =>
  join(dirname(address), `.${randomBytes(4).toString('hex')}`);

/** Where a server listens, and the key of the configuration that names another place. */
export interface SocketPlace {
  readonly address: string;
  readonly key: 'ttrpc.address' | 'grpc.address';
}

/**
 * Gives a listening socket its address, and takes its hidden name away.
 *
 * @param options.replaces whether what stands at the address gives way in the same step. @default false
 * @throws StatusError AlreadyExists where something stands at the address and is not replaced
 */
export function publishSocket(
  hidden: string,
  { address, key }: SocketPlace,
  { replaces }: { replaces: boolean } = { replaces: false },
): OwnFile {
  try {
    if (replaces) renameSync(hidden, address);
    else linkSync(hidden, address);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    const message = `Cannot listen on "${address}": it exists: remove it, or set another ${key}`;
    throw new StatusError(Code.AlreadyExists, message, { cause });
  } finally {
    rmSync(hidden, { force: true });
  }
  return ownFile(address);
}

/**
 * Makes room for a host's socket.
 *
 * @throws StatusError FailedPrecondition where others can change what leads there, AlreadyExists while another server has it
 */
export async function clearAddress(place: SocketPlace): Promise<void> {
  const directory = dirname(place.address);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  requireSafePath(directory);
  await removeStaleSocket(place);
}

/**
 * Removes the socket that a killed host left at an address: one whose connections the kernel refuses. Nothing else is
 * removed.
 *
 * @throws StatusError AlreadyExists while another server has the socket
 */
export async function removeStaleSocket({ address, key }: SocketPlace): Promise<void> {
  if (!lstatSync(address, { throwIfNoEntry: false })?.isSocket()) return;
  const socket = ownFile(address);
  const problem = await problemOf(address);
  if (problem?.code === 'ECONNREFUSED') return socket.remove();
  if (problem?.code === 'ENOENT') return;
  const found = problem
    ? `"${address}" is a socket to which nobody can connect now (${problem.message})`
    : `Another server answers on "${address}"`;
  throw new StatusError(Code.AlreadyExists, `${found}: end it, or set another ${key}`);
}

/** Why nobody answers at an address; undefined where somebody does. */
async function problemOf(
  address: string,
): Promise<{ code: string | undefined; message: string } | undefined> {
  try {
    await using _ = await connect({ path: address });
    return undefined;
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    return { code: (cause as NodeJS.ErrnoException | undefined)?.code, message: messageOf(cause ?? error) };
  }
}
