import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { createServer as createNetServer } from 'node:net';
import { duplexPair } from 'node:stream';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { Code, connect, createClient, createServer, type Peer } from 'ttrpc-ts';
import { EchoService } from '../../../src/ttrpc-ts/examples/echo_pb.ts';
import { collect, echoImpl, messages } from '../fixtures/echo.ts';
import { connectRaw } from '../fixtures/raw-peer.ts';
import { watchResources } from '../fixtures/resources.ts';
import { makeSocketDir } from '../fixtures/socket-dir.ts';

for (const mode of [undefined, 0o666, 0o600]) {
  test(`Server.listen() creates the socket with mode ${mode?.toString(8) ?? '600 by default'}`, async () => {
    await using dir = await makeSocketDir();
    await using server = createServer();
    await server.listen(mode === undefined ? { path: dir.socket() } : { path: dir.socket(), mode });
    assert.equal(((await stat(dir.socket())).mode & 0o777).toString(8), (mode ?? 0o600).toString(8));
  });
}

test('Server.listen() refuses a path of 108 bytes and accepts one of 107', async () => {
  await using dir = await makeSocketDir();
  await using server = createServer();
  const path = dir.socket('x'.repeat(107 - dir.path.length - 1));
  await server.listen({ path });
  const message = `Cannot use socket path "${path}y": it has 108 bytes, at most 107 fit`;
  await assert.rejects(server.listen({ path: `${path}y` }), { code: Code.InvalidArgument, message });
  await assert.rejects(connect({ path: `${path}y` }), { code: Code.InvalidArgument, message });
  await using transport = await connect({ path });
  assert.ok(transport);
  assert.equal((await readdir(dir.path)).length, 1);
});

test('Server.listen() counts the bytes of a path and not its characters', async () => {
  await using server = createServer();
  const path = `/tmp/${'ü'.repeat(60)}`;
  const message = `Cannot use socket path "${path}": it has 125 bytes, at most 107 fit`;
  await assert.rejects(server.listen({ path }), { code: Code.InvalidArgument, message });
});

test('Server.listen() refuses a path that exists and leaves it alone', async () => {
  await using dir = await makeSocketDir();
  await using first = createServer();
  await first.listen({ path: dir.socket(), mode: 0o640 });
  {
    await using second = createServer();
    await assert.rejects(second.listen({ path: dir.socket() }), {
      code: Code.AlreadyExists,
      message: /^Cannot listen on/,
    });
  }
  assert.equal((await stat(dir.socket())).mode & 0o777, 0o640);
});

test('Server.listen() refuses a directory that does not exist', async () => {
  await using server = createServer();
  const message = 'Cannot listen on "/no/such/dir/s.sock": directory "/no/such/dir" does not exist';
  await assert.rejects(server.listen({ path: '/no/such/dir/s.sock' }), { code: Code.Unavailable, message });
});

test('Server.listen() serves a listening descriptor that it was given', async () => {
  await using dir = await makeSocketDir();
  const given = createNetServer();
  given.listen(dir.socket('temporary'));
  await once(given, 'listening');
  const { fd } = (given as unknown as { _handle: { fd: number } })._handle;
  const program = fileURLToPath(new URL('../fixtures/fd-server.ts', import.meta.url));
  const child = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit', fd] });
  // Renamed, so that closing our end of the listening socket removes nothing.
  await rename(dir.socket('temporary'), dir.socket());
  given.close();
  await once(child.stdout!, 'data');
  await using transport = await connect({ path: dir.socket() });
  assert.equal((await createClient(EchoService, transport).echo({ message: 'fd' })).message, 'fd');
  child.stdin!.end();
  const [exitCode] = await once(child, 'exit');
  assert.equal(exitCode, 0);
  await rm(dir.socket());
});

test('Server.listen() serves several sockets at once', async () => {
  await using left = watchResources();
  await using dir = await makeSocketDir();
  await using server = createServer().service(EchoService, echoImpl);
  for (const name of ['one', 'two']) await server.listen({ path: dir.socket(name) });
  for (const name of ['one', 'two']) {
    await using transport = await connect({ path: dir.socket(name) });
    assert.equal((await createClient(EchoService, transport).echo({ message: name })).message, name);
  }
  void left;
});

test('Server.handle() and connect() work over any duplex stream', async () => {
  await using server = createServer().service(EchoService, echoImpl);
  const [near, far] = duplexPair();
  server.handle(far);
  await using transport = await connect({ stream: near });
  const client = createClient(EchoService, transport);
  const big = 'x'.repeat(1 << 20);
  const answers = await Promise.all(Array.from({ length: 20 }, () => client.echo({ message: big })));
  assert.ok(answers.every(({ message }) => message === big));
  const texts = Array.from({ length: 1000 }, (_, index) => String(index));
  assert.deepEqual(await collect(client.chat(messages(...texts))), texts);
});

test('Server.listen() closes a connection that the handshake refuses, and sends nothing', async () => {
  await using left = watchResources();
  await using dir = await makeSocketDir();
  const peers: Peer[] = [];
  const handshake = async (peer: Peer): Promise<void> => {
    peers.push(peer);
    if (peer.connection === 1) throw new Error('not you');
  };
  await using server = createServer({ handshake }).service(EchoService, echoImpl);
  await server.listen({ path: dir.socket() });
  using refused = await connectRaw(dir.socket());
  assert.equal(await refused.next(), undefined);
  await using transport = await connect({ path: dir.socket() });
  assert.equal((await createClient(EchoService, transport).echo({ message: 'me' })).message, 'me');
  assert.deepEqual(
    peers.map(({ listener }) => listener),
    [dir.socket(), dir.socket()],
  );
  void left;
});

test('Server.close() ends connections that the handshake still looks at', async () => {
  await using left = watchResources();
  await using dir = await makeSocketDir();
  const { promise: arrived, resolve } = Promise.withResolvers<void>();
  const handshake = (): Promise<void> => {
    resolve();
    return new Promise(() => {});
  };
  const server = createServer({ handshake });
  await server.listen({ path: dir.socket() });
  using peer = await connectRaw(dir.socket());
  await arrived;
  await server.close();
  assert.equal(await peer.next(), undefined);
  void left;
});

test('Server.listen() refuses after close(), which may be called again', async () => {
  await using dir = await makeSocketDir();
  const server = createServer();
  await server.listen({ path: dir.socket() });
  await Promise.all([server.close(), server.close()]);
  await server.close();
  await assert.rejects(server.listen({ path: dir.socket() }), { code: Code.FailedPrecondition });
  assert.throws(() => server.handle(duplexPair()[0]), { code: Code.FailedPrecondition });
});

test('connect() rejects with Unavailable and the cause where nothing listens', async () => {
  await using left = watchResources();
  await using dir = await makeSocketDir();
  await assert.rejects(connect({ path: dir.socket() }), (error: Error & { code: Code }) => {
    assert.equal(error.code, Code.Unavailable);
    assert.equal((error.cause as NodeJS.ErrnoException).code, 'ENOENT');
    return true;
  });
  void left;
});

test('connect() rejects when the signal is aborted', async () => {
  await using left = watchResources();
  await using dir = await makeSocketDir();
  const reason = new Error('stop');
  const signal = AbortSignal.abort(reason);
  await assert.rejects(connect({ path: dir.socket(), signal }), { code: Code.Canceled, cause: reason });
  const controller = new AbortController();
  const pending = assert.rejects(connect({ path: dir.socket(), signal: controller.signal }), {
    code: Code.Canceled,
  });
  controller.abort();
  await pending;
  void left;
});

test('createServer() and connect() refuse limits that are not positive integers', async () => {
  for (const value of [0, -1, 1.5, Number.NaN]) {
    const message = `Cannot use limit "highWaterMark": ${value} is not a positive integer`;
    assert.throws(() => createServer({ highWaterMark: value }), { code: Code.InvalidArgument, message });
    await assert.rejects(connect({ path: '/x', highWaterMark: value }), {
      code: Code.InvalidArgument,
      message,
    });
  }
});
