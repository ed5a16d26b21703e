import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A VMM's side of a vhost-user socket, as far as a test needs it. Disposal disconnects. */
export interface VhostUserClient extends Disposable {
  /** VHOST_USER_GET_FEATURES, the first thing that a VMM asks. */
  getFeatures(): Promise<bigint>;
  /** Resolves when the other side has closed. */
  readonly closed: Promise<unknown>;
}

const GET_FEATURES = 1;
const VERSION_1 = 1;
const HEADER_BYTES = 12;

/** Connects as a VMM does. */
export async function connectVhostUser(path: string): Promise<VhostUserClient> {
  const socket = connect({ path });
  await once(socket, 'connect');
  const closed = once(socket, 'close').catch(() => {});
  socket.on('error', () => {});
  return {
    closed,
    getFeatures: () => getFeatures(socket),
    [Symbol.dispose]: () => void socket.destroy(),
  };
}

/** Connects at once, asks for the features, and disconnects. */
export async function askFeatures(path: string): Promise<bigint> {
  using client = await connectVhostUser(path);
  return await client.getFeatures();
}

/** Header (request, flags, size of payload) and payload, little-endian (QEMU: docs/interop/vhost-user.rst). */
async function getFeatures(socket: Socket): Promise<bigint> {
  const request = Buffer.alloc(HEADER_BYTES);
  request.writeUInt32LE(GET_FEATURES, 0);
  request.writeUInt32LE(VERSION_1, 4);
  socket.write(request);
  let reply = Buffer.alloc(0);
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    reply = Buffer.concat([reply, chunk]);
    if (reply.length >= HEADER_BYTES + 8) return reply.readBigUInt64LE(HEADER_BYTES);
  }
  throw new Error('The other side closed without an answer');
}
