import assert from 'node:assert/strict';
import test from 'node:test';
import { StreamIds } from '../../../src/ttrpc-ts/src/server/stream-ids.ts';
import { makeRandom } from '../fuzz/random.ts';

test('StreamIds.take() accepts each id once, in any order', () => {
  const random = makeRandom(7);
  const ids = new StreamIds();
  const used = new Set<number>();
  for (let count = 0; count < 5000; count++) {
    const streamId = 2 * random.below(1000) + 1;
    assert.equal(ids.take(streamId), !used.has(streamId), String(streamId));
    used.add(streamId);
  }
});

test('StreamIds.take() remembers as many gaps as it may, the newest ones', () => {
  const ids = new StreamIds();
  const count = 100_000;
  for (let index = 1; index <= count; index++) assert.ok(ids.take(4 * index + 1));
  const accepted = Array.from({ length: count }, (_, index) => ids.take(4 * index + 3));
  assert.equal(accepted.filter(Boolean).length, 1024);
  assert.equal(accepted.lastIndexOf(false), count - 1025);
  assert.ok(ids.take(0xffff_ffff));
  assert.ok(ids.take(0xffff_fffd));
  assert.ok(!ids.take(0xffff_ffff));
});
