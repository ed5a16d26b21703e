import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import test from 'node:test';
import { Output } from '../../../src/ttrpc-ts/src/channel/output.ts';
import { makeSocketDir } from '../fixtures/socket-dir.ts';

function write(output: Output, text: string): void {
  const at = output.reserve(text.length);
  output.buffer.write(text, at, 'latin1');
}

interface Collector {
  readonly chunks: Buffer[];
  readonly stream: Duplex;
}

/** A stream that takes everything at once and keeps it. */
function makeCollector(): Collector {
  const chunks: Buffer[] = [];
  const stream = new Duplex({
    write(chunk: Buffer, _, done) {
      chunks.push(chunk);
      done();
    },
  });
  return { chunks, stream };
}

test('Output.flush() leaves bytes alone that a stream other than a socket may still hold', () => {
  const { chunks, stream } = makeCollector();
  const output = new Output(stream, () => {});
  for (const text of ['first', 'second', 'third']) {
    write(output, text);
    output.flush();
  }
  assert.deepEqual(chunks.map(String), ['first', 'second', 'third']);
});

test('Output sends in one write what a turn of the event loop reserves, across microtasks', async () => {
  const { chunks, stream } = makeCollector();
  const output = new Output(stream, () => {});
  write(output, 'a');
  for (const text of ['b', 'c', 'd']) {
    await Promise.resolve();
    write(output, text);
  }
  assert.deepEqual(chunks, []);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(chunks.map(String), ['abcd']);
});

test('Output keeps the order of what is copied and what is not, across buffers', () => {
  const { chunks, stream } = makeCollector();
  const output = new Output(stream, () => {});
  write(output, 'a'.repeat(40_000));
  output.append(Buffer.from('large'));
  write(output, 'b'.repeat(40_000));
  write(output, 'c'.repeat(100_000));
  assert.equal(output.queuedLength, 180_005);
  output.flush();
  assert.equal(
    String(Buffer.concat(chunks)),
    `${'a'.repeat(40_000)}large${'b'.repeat(40_000)}${'c'.repeat(100_000)}`,
  );
});

test('Output.close() drops what is not written, and what comes', () => {
  const { chunks, stream } = makeCollector();
  const output = new Output(stream, () => {});
  write(output, 'a');
  output.close();
  write(output, 'b');
  output.flush();
  assert.deepEqual(chunks, []);
});

interface SocketPair extends AsyncDisposable {
  readonly near: Socket;
  /** Does not read yet. */
  readonly far: Socket;
}

async function connectPair(): Promise<SocketPair> {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await makeSocketDir());
  const path = directory.socket();
  const server = stack.use(createServer({ pauseOnConnect: true }));
  await once(server.listen({ path }), 'listening');
  const near = stack.adopt(connect({ path }), (socket) => void socket.destroy());
  const [[far]] = (await Promise.all([once(server, 'connection'), once(near, 'connect')])) as [
    [Socket],
    unknown,
  ];
  stack.defer(() => void far.destroy());
  const own = stack.move();
  return { near, far, [Symbol.asyncDispose]: () => own.disposeAsync() };
}

/** Writes so many blocks of 4 KiB, each full of its number, and returns the buffers that they stood in. */
function writeBlocks(output: Output, first: number, count: number): Set<ArrayBufferLike> {
  const buffers = new Set<ArrayBufferLike>();
  for (let block = first; block < first + count; block++) {
    const at = output.reserve(4096);
    output.buffer.fill(block % 251, at, at + 4096);
    buffers.add(output.buffer.buffer);
  }
  return buffers;
}

test('Output writes to no buffer that a socket still holds', async () => {
  await using pair = await connectPair();
  const { near, far } = pair;
  const output = new Output(near, () => {});
  for (let burst = 0; burst < 8; burst++) {
    writeBlocks(output, burst * 100, 100);
    output.flush();
  }
  assert.ok(near.writableLength > 0, 'nobody reads yet');
  near.end();
  const received = await buffer(far);
  assert.equal(received.length, 800 * 4096);
  for (let block = 0; block < 800; block++)
    assert.ok(received.subarray(block * 4096, (block + 1) * 4096).every((byte) => byte === block % 251));
});

test('Output uses the buffers of a burst for the next one, once a socket has let go of them', async () => {
  await using pair = await connectPair();
  const { near, far } = pair;
  const output = new Output(near, () => {});
  far.resume();
  const burst = async (): Promise<Set<ArrayBufferLike>> => {
    const buffers = writeBlocks(output, 0, 64);
    output.flush();
    while (near.writableLength > 0) await once(near, 'drain');
    return buffers;
  };
  const first = await burst();
  assert.ok(first.size >= 4);
  const all = new Set(first);
  for (let count = 0; count < 20; count++) for (const each of await burst()) all.add(each);
  assert.ok(all.size <= first.size + 1, `${all.size} buffers for bursts of ${first.size}`);
});
