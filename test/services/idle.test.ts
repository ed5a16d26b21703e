import assert from 'node:assert/strict';
import { utimesSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { serve } from '../../src/services/serve.ts';
import { untilIdle } from '../../src/services/idle.ts';
import { openTestHost } from '../harness/test-host.ts';

describe('untilIdle()', () => {
  test('resolves where the last start was in the future: the clock was set back since', async () => {
    await using own = await openTestHost();
    await using serving = await serve(own.host);
    const { lastStart } = own.host.stateDir.host;
    writeFileSync(lastStart, '');
    utimesSync(lastStart, Date.now() / 1000 + 86_400, Date.now() / 1000 + 86_400);
    const { signal } = new AbortController();
    await using lock = await untilIdle({ host: own.host, serving }, { timeoutMs: 1, signal });
    assert.ok(lock);
  });

  test('does not resolve at a start before it, whatever the time of that', async () => {
    await using own = await openTestHost();
    await using serving = await serve(own.host);
    const { lastStart } = own.host.stateDir.host;
    let looks = 0;
    // Each look finds another start, of an hour ago, until the last.
    const hidden: number[] = [];
    const watched = { ...serving, hide: () => void hidden.push(looks) };
    const timer = setInterval(() => {
      if (looks >= 40) return;
      looks++;
      writeFileSync(lastStart, '');
      utimesSync(lastStart, Date.now() / 1000 - 3600, Date.now() / 1000 - 3600 + looks);
    }, 50);
    try {
      const { signal } = new AbortController();
      await using _ = await untilIdle({ host: own.host, serving: watched }, { timeoutMs: 200, signal });
      assert.deepEqual(hidden.slice(-1), [40]);
    } finally {
      clearInterval(timer);
    }
  });
});
