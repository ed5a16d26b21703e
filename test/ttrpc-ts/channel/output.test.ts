import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import test from 'node:test';
import { Output } from '../../../src/ttrpc-ts/src/channel/output.ts';

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
