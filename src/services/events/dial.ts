import { once } from 'node:events';
import { connect as connectSocket } from 'node:net';
import { connect, type Transport } from 'ttrpc-ts';

/**
 * Connects to a ttrpc server as `connect()` does, by a connection that keeps no process alive.
 *
 * @throws the error of connect(2); the signal's reason
 */
export async function dial(path: string, signal: AbortSignal): Promise<Transport> {
  const socket = connectSocket({ path });
  socket.unref();
  try {
    await once(socket, 'connect', { signal });
    return await connect({ stream: socket });
  } catch (error) {
    socket.destroy();
    throw error;
  }
}
