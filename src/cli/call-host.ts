import { setImmediate as nextTurn } from 'node:timers/promises';
import { Code, connect, createClient, StatusError, type Client, type Transport } from 'ttrpc-ts';
import { Shares } from '../proto/share/shares_pb.ts';
import { HANDED_OVER } from '../errors.ts';
import { CommandError } from './commands/command.ts';
import { ExitCode } from './exit-code.ts';
import { findAddress, noHost, serveCommand, type HostChoice } from './host-address.ts';

/**
 * Calls the share service of the host that is meant.
 *
 * @throws CommandError where no host runs, where it ends meanwhile, for what is not there; what the call throws
 */
export async function callHost(
  choice: HostChoice,
  call: (shares: Client<typeof Shares>) => Promise<number>,
): Promise<number> {
  const address = await findAddress(choice);
  await using transport = await connectTo(address, choice);
  try {
    return await call(createClient(Shares, transport));
  } catch (error) {
    if (!StatusError.is(error)) throw error;
    // It has not begun, and the next host is there already.
    if (error.code === Code.Unavailable && error.message === HANDED_OVER) return callHost(choice, call);
    throw await translate(error, { address, transport });
  }
}

async function connectTo(address: string, choice: HostChoice): Promise<Transport> {
  try {
    return await connect({ path: address });
  } catch (error) {
    const cause = error instanceof Error ? (error.cause as NodeJS.ErrnoException | undefined) : undefined;
    // A host that was killed leaves its address and its socket, to which nobody listens.
    if (cause?.code === 'ENOENT' || cause?.code === 'ECONNREFUSED')
      throw noHost(address, serveCommand(choice), error);
    if (cause?.code !== 'EACCES') throw error;
    const message = `The host's socket "${address}" is its owner's alone: run this as that user`;
    throw new CommandError(ExitCode.Failed, message, { cause: error });
  }
}

/** What a ttrpc server says of a service or a method that it does not have; a provider's refusal has its own words. */
const NOT_SERVED = /^(service|method) \S+$/;

async function translate(
  error: StatusError,
  { address, transport }: { address: string; transport: Transport },
): Promise<Error> {
  if (error.code === Code.NotFound)
    return new CommandError(ExitCode.NotFound, error.message, { cause: error });
  if (error.code === Code.Unimplemented && NOT_SERVED.test(error.message)) {
    const what = error.message.startsWith('method') ? 'no such call' : 'no share service';
    const message = `The host on "${address}" has ${what}: it is an older one; restart it with this version`;
    return new CommandError(ExitCode.Failed, message, { cause: error });
  }
  return error.code === Code.Unavailable && (await isClosed(transport)) ? hostEnded(address, error) : error;
}

/** Says that a host is there no more. */
export const hostEnded = (address: string, cause?: unknown): CommandError =>
  new CommandError(ExitCode.NoHost, `The shim host on "${address}" has ended meanwhile`, { cause });

const isClosed = (transport: Transport): Promise<boolean> =>
  Promise.race([transport.closed.then(() => true), nextTurn(false)]);
