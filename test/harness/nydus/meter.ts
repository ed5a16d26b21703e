import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A port that leads to another one and counts. Disposal closes it with its connections. */
export interface Meter extends AsyncDisposable {
  readonly port: number;
  /** How many bytes have come from there. */
  readonly bytes: number;
}

/** Opens one on loopback. */
export async function openMeter(target: number): Promise<Meter> {
  const sockets = new Set<Socket>();
  let bytes = 0;
  const keep = (socket: Socket, other: Socket): void => {
    sockets.add(socket);
    // Where one side ends badly, so does the other.
    socket.on('error', () => other.destroy());
    socket.once('close', () => {
      sockets.delete(socket);
      other.destroy();
    });
  };
  const server = createServer((client) => {
    const upstream = connect({ host: '127.0.0.1', port: target });
    keep(client, upstream);
    keep(upstream, client);
    upstream.on('data', (chunk) => (bytes += chunk.length));
    client.pipe(upstream);
    upstream.pipe(client);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get bytes() {
      return bytes;
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
