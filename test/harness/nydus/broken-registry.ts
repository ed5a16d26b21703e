import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A registry as the real one cannot be made to be. Disposal closes it with its connections. */
export interface BrokenRegistry extends AsyncDisposable {
  /** Host and port. */
  readonly host: string;
}

/** Starts one on loopback: `silent` never answers, `truncates` ends in the midst of each blob. */
export async function startBrokenRegistry(how: 'silent' | 'truncates'): Promise<BrokenRegistry> {
  const server = createServer((request, response) => {
    if (how === 'silent') return;
    response.writeHead(200, { 'Content-Length': 1 << 20 });
    if (request.method === 'HEAD') response.end();
    else response.write('too short', () => response.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
