import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { createGrpcServer, type GrpcServer } from '../../../src/services/controller/grpc-server.ts';
import { openReception } from '../../../src/services/hand-over/reception.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';

const CLOSED = {
  name: 'StatusError',
  code: Code.FailedPrecondition,
  message: 'Cannot serve: the server is closed',
};

const openServer = (): GrpcServer => createGrpcServer(() => {}, []);

/** Connects, and resolves when the other side has ended it. */
async function connectUntilEnd(path: string): Promise<void> {
  const socket = connect(path).on('error', () => {});
  socket.resume();
  await once(socket, 'close');
}

describe('createGrpcServer(), closed', () => {
  test('takes no connection', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'sock');
    const listener = createServer({ pauseOnConnect: true }).listen(path);
    const ended = connectUntilEnd(path);
    const [socket] = (await once(listener, 'connection')) as [Socket];
    const server = openServer();
    await server[Symbol.asyncDispose]();
    try {
      assert.throws(() => server.handle(socket), CLOSED);
    } finally {
      socket.destroy();
      listener.close();
      await ended;
    }
  });

  test('has the reception at which it served end those who still come', async () => {
    await using directory = await temporaryDirectory();
    const address = join(directory.path, 'sock');
    await using reception = await openReception({ address, key: 'grpc.address' });
    reception.publish({ replaces: false });
    const server = openServer();
    reception.serve((stream) => server.handle(stream));
    await server[Symbol.asyncDispose]();
    await connectUntilEnd(address);
  });

  const ways = {
    'at its own socket': async (server: GrpcServer, path: string) => server.listen(path),
    'at a reception': async (server: GrpcServer, address: string, stack: AsyncDisposableStack) => {
      const reception = stack.use(await openReception({ address, key: 'grpc.address' }));
      reception.publish({ replaces: false });
      reception.serve((stream) => server.handle(stream));
    },
  };
  for (const [where, serve] of Object.entries(ways)) {
    test(`waits for no peer that hangs, ${where}`, { timeout: 60_000 }, async () => {
      await using directory = await temporaryDirectory();
      const path = join(directory.path, 'sock');
      await using stack = new AsyncDisposableStack();
      const server = openServer();
      await serve(server, path, stack);
      // It reads no end, and ends nothing.
      const peer = connect({ path, allowHalfOpen: true }).on('error', () => {});
      using _ = { [Symbol.dispose]: () => void peer.destroy() };
      await once(peer, 'data');
      peer.pause();
      await server[Symbol.asyncDispose]();
      await stack.disposeAsync();
    });
  }

  test('listens nowhere, even where it was about to', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'sock');
    const server = openServer();
    const listening = assert.rejects(server.listen(path), CLOSED);
    await server[Symbol.asyncDispose]();
    await listening;
    assert.equal(existsSync(path), false);
    await assert.rejects(server.listen(path), CLOSED);
    assert.equal(existsSync(path), false);
  });
});
