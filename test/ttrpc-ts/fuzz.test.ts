import assert from 'node:assert/strict';
import test from 'node:test';
import { fuzz } from './fuzz/run.ts';

for (const seed of [1, Math.floor(Math.random() * 2 ** 32)]) {
  test(`createServer() and createClient() survive 20000 random frames, seed ${seed}`, async () => {
    const { frames, growth } = await fuzz({ frames: 20_000, seed });
    assert.equal(frames, 20_000);
    assert.ok(growth < 16 * 2 ** 20, `memory grew by ${growth} bytes`);
  });
}
