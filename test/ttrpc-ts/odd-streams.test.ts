import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectSocket, createServer as createNetServer, type Socket } from 'node:net';
import { Duplex, duplexPair } from 'node:stream';
import test from 'node:test';
import { Code, connect, createClient, createServer, type StatusError } from 'ttrpc-ts';
import { EchoService } from '../../src/ttrpc-ts/examples/echo_pb.ts';
import { echoImpl, startEcho } from './fixtures/echo.ts';
import { frame } from './fixtures/raw-peer.ts';
import { makeSocketDir } from './fixtures/socket-dir.ts';
import { turns } from './fixtures/turns.ts';

async function openSocket(path: string): Promise<Socket> {
  const socket = connectSocket(path);
  await once(socket, 'connect');
  return socket;
}

function ignore(): void {}

/** Does to a stream what its owner before us may have done. */
const usages: [string, (socket: Socket) => unknown][] = [
  ['nothing', () => {}],
  ['pause()', (socket) => socket.pause()],
  ['resume() and pause()', (socket) => socket.resume().pause()],
  [
    'a listener of data that came and went',
    (socket) => socket.on('data', ignore).off('data', ignore).pause(),
  ],
  [
    'a listener of readability that came and went',
    (socket) => socket.on('readable', ignore).off('readable', ignore),
  ],
  ['read()', (socket) => socket.read()],
  ['cork() and uncork()', (socket) => (socket.cork(), socket.uncork())],
];

for (const [name, use] of usages) {
  test(`connect() takes a socket that has seen ${name}`, async () => {
    await using echo = await startEcho();
    const socket = await openSocket(echo.path);
    use(socket);
    await using transport = await connect({ stream: socket });
    assert.equal((await createClient(EchoService, transport).echo({ message: 'on' })).message, 'on');
  });

  test(`Server.handle() takes a socket that has seen ${name}`, async () => {
    await using dir = await makeSocketDir();
    await using server = createServer().service(EchoService, echoImpl);
    const listener = createNetServer({ pauseOnConnect: name === 'pause()' }, (socket) => {
      use(socket);
      server.handle(socket);
    }).listen(dir.socket());
    await using transport = await connect({ path: dir.socket() });
    assert.equal((await createClient(EchoService, transport).echo({ message: 'on' })).message, 'on');
    await transport.close();
    listener.close();
  });
}

test('Server.handle() takes a socket whose first bytes were read and given back', async () => {
  await using dir = await makeSocketDir();
  await using server = createServer().service(EchoService, echoImpl);
  const listener = createNetServer((socket) => {
    socket.once('readable', () => {
      const bytes = socket.read() as Buffer;
      assert.equal(bytes[8], 1, 'a request');
      socket.unshift(bytes);
      server.handle(socket);
    });
  }).listen(dir.socket());
  await using transport = await connect({ path: dir.socket() });
  assert.equal((await createClient(EchoService, transport).echo({ message: 'on' })).message, 'on');
  await transport.close();
  listener.close();
});

/** Streams that are over, each in its way. */
const over: [string, () => Promise<Duplex>][] = [
  [
    'whose end was emitted',
    async () => {
      const [near, far] = duplexPair();
      far.end();
      await once(near.resume(), 'end');
      return near;
    },
  ],
  [
    'that was ended',
    async () => {
      const [near] = duplexPair();
      near.end();
      return near;
    },
  ],
  [
    'that was destroyed',
    async () => {
      const [near] = duplexPair();
      near.destroy();
      await once(near, 'close');
      return near;
    },
  ],
  ['that is being destroyed', async () => duplexPair()[0].destroy()],
  [
    'that has failed',
    async () => {
      const [near] = duplexPair();
      near.on('error', () => {}).destroy(new Error('gone'));
      await turns(2);
      return near;
    },
  ],
];

for (const [name, make] of over) {
  test(`connect() ends at once with a stream ${name}`, async () => {
    await using transport = await connect({ stream: await make() });
    const call = createClient(EchoService, transport).echo({});
    await assert.rejects(call, { code: Code.Unavailable, message: 'ttrpc: closed' });
    assert.equal((await transport.closed).code, Code.Unavailable);
  });

  test(`Server.handle() ends at once with a stream ${name}`, async () => {
    const { promise: reason, resolve } = Promise.withResolvers<StatusError>();
    await using server = createServer({ onConnectionClose: (_, why) => resolve(why) });
    server.handle(await make());
    assert.equal((await reason).code, Code.Unavailable);
  });
}

const slow = (_: Error | null, done: () => void): void => void setTimeout(done, 30);

/** A stream that answers nothing. */
function makeSilent(options: ConstructorParameters<typeof Duplex>[0]): Duplex {
  return new Duplex({ read() {}, write: (_, __, done) => done(), ...options });
}

test('Transport.close() and Server.close() settle with streams that do not tell that they are closed', async () => {
  for (const destroy of [undefined, slow]) {
    const stream = (): Duplex => makeSilent({ emitClose: false, ...(destroy && { destroy }) });
    const transport = await connect({ stream: stream() });
    const call = assert.rejects(createClient(EchoService, transport).echo({}), { code: Code.Unavailable });
    const alive = setInterval(() => {}, 1000);
    await transport.close();
    await call;
    const server = createServer();
    server.handle(stream());
    await server.close();
    clearInterval(alive);
  }
});

test('a stream whose write throws ends its connection with that error', async () => {
  const cause = new Error('no such thing as writing');
  const fail = (): never => {
    throw cause;
  };
  for (const options of [{ write: fail }, { writev: fail, write: fail }]) {
    const stream = makeSilent(options);
    await using transport = await connect({ stream });
    const client = createClient(EchoService, transport);
    const calls = [client.echo({}), client.echo({ message: 'x'.repeat(1 << 20) })];
    for (const call of calls) await assert.rejects(call, { code: Code.Unavailable, cause });

    const { promise: reason, resolve } = Promise.withResolvers<StatusError>();
    await using server = createServer({ onConnectionClose: (_, why) => resolve(why) });
    const served = makeSilent(options);
    server.service(EchoService, echoImpl).handle(served);
    served.push(frame(2, {}));
    assert.equal((await reason).cause, cause);
  }
});

test('a stream that takes everything at once lets the event loop turn', async () => {
  const stream = makeSilent({});
  await using transport = await connect({ stream });
  let sent = 0;
  async function* endless(): AsyncGenerator<{ message: string }> {
    for (; ; sent++) yield { message: 'x'.repeat(10_000) };
  }
  const call = createClient(EchoService, transport).join(endless());
  await new Promise((resolve) => setTimeout(resolve, 20));
  await turns(3);
  assert.ok(sent > 0);
  await transport.close();
  await assert.rejects(call, { code: Code.Unavailable });
});
