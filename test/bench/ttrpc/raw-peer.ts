import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { cachePayloads, drive } from './drive.ts';

/** `raw-peer.ts server|client <socket>`: bytes to and fro with no protocol, which nothing on Node.js can be faster than. */
const [role, path = ''] = process.argv.slice(2);

if (role === 'server') await serve();
else await drive(await makeDriver());

async function serve(): Promise<void> {
  const server = createServer((socket) => socket.on('data', (chunk) => socket.write(chunk)));
  server.listen(path);
  await once(server, 'listening');
  process.stdout.write('ready\n');
  process.stdin.resume().once('end', () => process.exit());
}

async function makeDriver(): Promise<Parameters<typeof drive>[0]> {
  const socket = connect(path);
  await once(socket, 'connect');
  const payload = cachePayloads((size) => Buffer.alloc(Math.max(size, 1)));
  let left = 0;
  let done: (() => void) | undefined;
  socket.on('data', (chunk) => {
    left -= chunk.length;
    if (left === 0) done?.();
  });
  return {
    call: (size) =>
      new Promise<void>((resolve) => {
        left = payload(size).length;
        done = resolve;
        socket.write(payload(size));
      }),
    close: async () => void socket.destroy(),
  };
}
