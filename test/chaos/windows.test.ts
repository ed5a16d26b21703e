import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { realVirtiofsds } from '../harness/virtiofsds.ts';
import { sweepWindows } from './windows.ts';

// Needs root, for the mounts. `npm run chaos -- --windows` tries more.

const [, rust] = await realVirtiofsds();
const { path: daemon = '', skip = 'no virtiofsd' } = rust ?? {};

describe('a host that follows one that was killed before any step', { skip }, () => {
  for (const { call, isLate, steps: known } of [
    { call: 'open', isLate: false, steps: ['/mount', 'share.json', 'spawn /bin/sh', 'daemon.log'] },
    { call: 'close', isLate: true, steps: ['share.json', 'kill', '/umount', 'rmdirSync'] },
  ] as const) {
    test(`of ${call} has the share at work or nothing of it`, async () => {
      const { steps, wrong } = await sweepWindows({ daemon, dialect: 'rust', call, isLate, isReal: true });
      assert.deepEqual(wrong, []);
      for (const one of known)
        assert.ok(
          steps.some((step) => step.includes(one)),
          `${one}: ${steps.join('; ')}`,
        );
    });
  }
});
