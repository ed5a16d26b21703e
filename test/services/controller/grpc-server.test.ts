import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, rmSync, statSync } from 'node:fs';
import {
  connect as connectHttp2,
  constants,
  type ClientHttp2Session,
  type ClientHttp2Stream,
} from 'node:http2';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import {
  create,
  toBinary,
  type DescMessage,
  type DescMethodUnary,
  type MessageInitShape,
} from '@bufbuild/protobuf';
import { Code } from 'ttrpc-ts';
import { Controller } from '../../../src/proto/containerd/sandbox-controller_pb.ts';
import { serve } from '../../../src/services/serve.ts';
import { connectGrpc } from '../../harness/containerd/grpc.ts';
import { eventually } from '../../harness/eventually.ts';
import { openTestHost, serveTestHost, type TestHost } from '../../harness/test-host.ts';

// What peers do on the controller's socket, and what becomes of it. Peers are root's or the host's own user.

const config = { grpc: {} };
const { status, wait, create: createMethod } = Controller.method;

const socketOf = ({ state }: TestHost): string => join(state, 'grpc.sock');

/** A sandbox without shares: its end is the test's to say. */
const addSandbox = async ({ host }: TestHost, sandboxId: string): Promise<void> =>
  void (await host.sandboxes.create({
    namespace: 'default',
    sandboxId,
    owner: 'controller',
    contents: { shares: [] },
  }));

const withSpec = (sandboxId: string, bytes: number): MessageInitShape<typeof createMethod.input> => ({
  sandboxId,
  sandbox: {
    sandboxId,
    spec: { typeUrl: 'spec', value: Buffer.from(JSON.stringify({ hostname: 'x'.repeat(bytes) })) },
  },
});

describe('createGrpcServer()', () => {
  test('listens where only the owner can connect, and removes the socket at the end', async () => {
    await using own = await openTestHost({ config });
    const serving = await serve(own.host);
    assert.equal(statSync(socketOf(own)).mode & 0o777, 0o600);
    await serving[Symbol.asyncDispose]();
    assert.equal(existsSync(socketOf(own)), false);
  });

  test('ends peers that send nothing, and refuses those that speak something else', async () => {
    await using own = await openTestHost({ config });
    const serving = await serve(own.host);
    await addSandbox(own, 'sb');
    const silent = connect(socketOf(own));
    await once(silent, 'connect');
    const http1 = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
    for (const text of [
      http1,
      '\u0000\u0000\u0000\u0000'.repeat(64),
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nrubbish'.repeat(9),
    ]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await refused(connect(socketOf(own)).end(text));
    }
    using grpc = connectGrpc(socketOf(own));
    assert.equal((await grpc.unary(status, { sandboxId: 'sb' })).state, 'SANDBOX_READY');
    await Promise.all([refused(silent), serving[Symbol.asyncDispose]()]);
  });

  test('answers whatever the peer takes for its name', async (t) => {
    const uncaught = t.mock.fn();
    process.on('uncaughtException', uncaught);
    t.after(() => process.off('uncaughtException', uncaught));
    await using own = await openTestHost({ config });
    await using _ = await serve(own.host);
    await addSandbox(own, 'sb');
    using session = openSession(socketOf(own));
    for (const authority of ['localhost', '%2Frun%2Fgrpc.sock', '[', '%', 'a:99999']) {
      const stream = call(session.http2, status, { sandboxId: 'sb' }, { ':authority': authority });
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      assert.ok(await isAnswered(stream), authority);
    }
    assert.equal(uncaught.mock.callCount(), 0);
  });

  test('minds deadlines: past ones, far ones and what is none', async () => {
    await using own = await openTestHost({ config });
    await using _ = await serve(own.host);
    await addSandbox(own, 'sb');
    using session = openSession(socketOf(own));
    for (const [timeout, code] of [
      ['-1S', Code.InvalidArgument],
      ['1000H', Code.Ok],
      ['99999999M', Code.Ok],
      ['20S', Code.Ok],
    ] as const) {
      const stream = call(session.http2, status, { sandboxId: 'sb' }, { 'grpc-timeout': timeout });
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      assert.equal(await codeOf(stream), code, timeout);
    }
    const work = { sandboxId: 'late', sandbox: { sandboxId: 'late' } };
    const late = call(session.http2, createMethod, work, { 'grpc-timeout': '0n' });
    assert.equal(await codeOf(late), Code.DeadlineExceeded);
    await eventually('nothing of it is left', () => own.host.sandboxes.size === 1);
  });

  test('answers while 2,000 calls wait on one connection, and all of them at the end', async () => {
    await using own = await openTestHost({ config });
    await using _ = await serve(own.host);
    await addSandbox(own, 'sb');
    using grpc = connectGrpc(socketOf(own));
    const waiting = Array.from({ length: 2000 }, () => grpc.unary(wait, { sandboxId: 'sb' }));
    assert.equal((await grpc.unary(status, { sandboxId: 'sb' })).state, 'SANDBOX_READY');
    await own.host.sandboxes.delete('default', 'sb');
    const statuses = new Set((await Promise.all(waiting)).map(({ exitStatus }) => exitStatus));
    assert.deepEqual([...statuses], [0]);
  });

  test('keeps a connection whose caller cancels 5,000 calls, and what waits on it', async (t) => {
    const printed = t.mock.method(console, 'error', () => {});
    await using own = await openTestHost({ config });
    await using _ = await serve(own.host);
    await addSandbox(own, 'sb');
    using session = openSession(socketOf(own));
    const waiting = isAnswered(call(session.http2, wait, { sandboxId: 'sb' }));
    for (let count = 0; count < 5000; count += 1) {
      const stream = call(session.http2, wait, { sandboxId: 'sb' });
      stream.on('error', () => {});
      stream.close(constants.NGHTTP2_CANCEL);
      // oxlint-disable-next-line no-await-in-loop -- the peer is to see it
      if (count % 100 === 0) await turn();
    }
    assert.ok(await isAnswered(call(session.http2, status, { sandboxId: 'sb' })));
    await own.host.sandboxes.delete('default', 'sb');
    assert.ok(await waiting);
    assert.equal(printed.mock.callCount(), 0);
  });

  test('takes a spec of 8 MiB, and refuses a message of 17', async () => {
    await using own = await openTestHost({ config });
    await using _ = await serve(own.host);
    using grpc = connectGrpc(socketOf(own));
    await grpc.unary(createMethod, withSpec('large', 8 << 20));
    assert.equal((await grpc.unary(status, { sandboxId: 'large' })).state, 'SANDBOX_READY');
    await assert.rejects(grpc.unary(createMethod, withSpec('huge', 17 << 20)), {
      code: Code.ResourceExhausted,
    });
    await assert.rejects(grpc.unary(status, { sandboxId: 'huge' }), { code: Code.NotFound });
  });

  test('ends what waits with Unavailable when the host ends, and new callers too', async () => {
    await using own = await openTestHost({ config });
    const serving = await serve(own.host);
    await addSandbox(own, 'sb');
    using grpc = connectGrpc(socketOf(own));
    const waiting = Array.from({ length: 20 }, async () =>
      assert.rejects(grpc.unary(wait, { sandboxId: 'sb' }), {
        code: Code.Unavailable,
        // grpc-js leaves some characters as they came.
        details: encodeURIComponent('The host is ending: try again, another one takes over').replaceAll(
          '%20',
          ' ',
        ),
      }),
    );
    await grpc.unary(status, { sandboxId: 'sb' });
    await Promise.all([...waiting, serving[Symbol.asyncDispose]()]);
    await assert.rejects(grpc.unary(status, { sandboxId: 'sb' }), { code: Code.Unavailable });
    assert.equal(own.host.sandboxes.size, 1);
  });

  test('listens again where somebody removed the socket, and goes on with those who are connected', async () => {
    await using own = await openTestHost({ config });
    await using _ = await serve(own.host);
    await addSandbox(own, 'sb');
    using grpc = connectGrpc(socketOf(own));
    const waiting = grpc.unary(wait, { sandboxId: 'sb' });
    await grpc.unary(status, { sandboxId: 'sb' });
    rmSync(socketOf(own));
    await eventually('it is there again', () => existsSync(socketOf(own)));
    assert.equal(statSync(socketOf(own)).mode & 0o777, 0o600);
    using session = openSession(socketOf(own));
    const again = isAnswered(call(session.http2, wait, { sandboxId: 'sb' }));
    // What comes later on a connection is answered later.
    assert.ok(await isAnswered(call(session.http2, status, { sandboxId: 'sb' })));
    await own.host.sandboxes.delete('default', 'sb');
    assert.equal((await waiting).exitStatus, 0);
    assert.ok(await again);
  });

  test('is not there twice: another server, the ttrpc services, something else', async () => {
    await using directory = await openTestHost();
    const address = join(directory.path, 'taken.sock');
    const server = createServer().listen(address);
    try {
      await assert.rejects(serveTestHost({ config: { grpc: { address } } }), {
        code: Code.AlreadyExists,
        message: `Another server answers on "${address}": end it, or set another grpc.address`,
      });
    } finally {
      server.close();
    }
    const own = join(directory.path, 'own.sock');
    await assert.rejects(
      serveTestHost({
        config: { ttrpc: { address: own }, grpc: { address: `${directory.path}/./own.sock` } },
      }),
      {
        code: Code.AlreadyExists,
        message: `Another server answers on "${directory.path}/./own.sock": end it, or set another grpc.address`,
      },
    );
    assert.equal(existsSync(own), false);
    await assert.rejects(serveTestHost({ config: { grpc: { address: directory.source } } }), {
      code: Code.AlreadyExists,
      message: `Cannot listen on "${directory.source}": it exists: remove it, or set another grpc.address`,
    });
  });
});

/** Resolves when the peer has ended the connection. */
async function refused(socket: Socket): Promise<void> {
  socket.on('error', () => {});
  socket.resume();
  if (!socket.closed) await once(socket, 'close');
}

/** A connection of a peer that does as it likes. */
function openSession(path: string): Disposable & { readonly http2: ClientHttp2Session } {
  const http2 = connectHttp2('http://localhost', { createConnection: () => connect(path) });
  http2.on('error', () => {});
  return { http2, [Symbol.dispose]: () => http2.destroy() };
}

function call<I extends DescMessage>(
  session: ClientHttp2Session,
  method: DescMethodUnary<I>,
  request: MessageInitShape<I>,
  headers: Record<string, string> = {},
): ClientHttp2Stream {
  const message = toBinary(method.input, create(method.input, request));
  const path = `/${method.parent.typeName}/${method.name}`;
  const own = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' };
  const stream = session.request({ ...own, ...headers });
  stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]));
  return stream;
}

/** True where it was with a message, whose frame begins with five bytes, and not with an error alone. */
const isAnswered = async (stream: ClientHttp2Stream): Promise<boolean> => (await buffer(stream)).length > 5;

async function codeOf(stream: ClientHttp2Stream): Promise<number> {
  const headers = once(stream, 'response');
  const trailers = once(stream, 'trailers').catch(() => []);
  stream.resume();
  const [first] = (await headers) as [Record<string, string>];
  if (first['grpc-status'] !== undefined) return Number(first['grpc-status']);
  const [last] = (await trailers) as [Record<string, string>];
  return Number(last['grpc-status']);
}
