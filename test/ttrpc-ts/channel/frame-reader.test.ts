import assert from 'node:assert/strict';
import test from 'node:test';
import { FrameReader } from '../../../src/ttrpc-ts/src/channel/frame-reader.ts';
import { frame } from '../fixtures/raw-peer.ts';

interface Seen {
  readonly reader: FrameReader;
  readonly frames: string[];
  onFrame: () => void;
}

function startReader(): Seen {
  const frames: string[] = [];
  const seen: Seen = {
    frames,
    onFrame: () => {},
    reader: new FrameReader({
      onFrame({ streamId, type, flags, length }, buffer, start, end) {
        frames.push(
          `${streamId} ${type} ${flags} ${length} ${buffer.toString('latin1', start, end).slice(0, 8)}`,
        );
        seen.onFrame();
      },
      onOversize: ({ streamId, length }) => void frames.push(`${streamId} oversize ${length}`),
    }),
  };
  return seen;
}

const wire = Buffer.concat([
  frame(1, { type: 1, body: Buffer.from('first') }),
  frame(3, { type: 3, flags: 5 }),
  frame(0xffff_ffff, { type: 2, body: Buffer.from('z'.repeat(300)) }),
  frame(7, { type: 9, body: Buffer.from('last') }),
]);
const expected = ['1 1 0 5 first', '3 3 5 0 ', '4294967295 2 0 300 zzzzzzzz', '7 9 0 4 last'];

for (const size of [1, 2, 3, 7, 10, 11, 64, wire.length]) {
  test(`FrameReader.push() keeps order and content in chunks of ${size} bytes`, () => {
    const { reader, frames } = startReader();
    for (let at = 0; at < wire.length; at += size) reader.push(Buffer.from(wire.subarray(at, at + size)));
    assert.deepEqual(frames, expected);
  });
}

test('FrameReader.push() throws the body of a frame above 4 MiB away and goes on behind it', () => {
  const { reader, frames } = startReader();
  const length = (4 << 20) + 1;
  const header = frame(5, {});
  header.writeUInt32BE(length, 0);
  reader.push(header);
  for (let left = length; left > 0; left -= 65_536) reader.push(Buffer.alloc(Math.min(left, 65_536)));
  reader.push(wire);
  assert.deepEqual(frames, [`5 oversize ${length}`, ...expected]);
});

test('FrameReader.push() accepts a frame of exactly 4 MiB', () => {
  const { reader, frames } = startReader();
  reader.push(frame(5, { body: Buffer.alloc(4 << 20, 'x') }));
  assert.deepEqual(frames, [`5 1 0 ${4 << 20} xxxxxxxx`]);
});

test('FrameReader.pause() stops within a chunk, and resume() goes on where it stopped', () => {
  const seen = startReader();
  seen.onFrame = () => seen.reader.pause();
  seen.reader.push(wire.subarray(0, 40));
  seen.reader.push(wire.subarray(40));
  const counts = [seen.frames.length];
  for (let turn = 0; turn < 4; turn++) {
    seen.reader.resume();
    counts.push(seen.frames.length);
  }
  assert.deepEqual(counts, [1, 2, 3, 4, 4]);
  assert.deepEqual(seen.frames, expected);
});
