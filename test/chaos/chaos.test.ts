import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { realVirtiofsds } from '../harness/virtiofsds.ts';
import { walk } from './walk.ts';

// Needs root, for the mounts. `npm run chaos -- --steps N --seed S` goes on for longer.

for (const { name, dialect, path: daemon, skip } of await realVirtiofsds()) {
  describe(`a walk of random deaths with ${name}`, { skip }, () => {
    test('leaves nothing and loses nothing', async () => {
      const { wrong, last, log } = await walk({ daemon, dialect, steps: 40, seed: 11 });
      assert.deepEqual(wrong, [], [...wrong, ...last, ...log].join('\n'));
    });
  });
}
