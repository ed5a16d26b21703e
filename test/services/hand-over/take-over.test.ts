import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code, connect } from 'ttrpc-ts';
import { lockFile } from '../../../src/proc/flock.ts';
import { createSuccession } from '../../../src/services/hand-over/take-over.ts';
import { serve } from '../../../src/services/serve.ts';
import { openTestHost } from '../../harness/test-host.ts';

describe('createSuccession()', () => {
  test('lets nobody find a host that has taken over and does not come to serve', async () => {
    await using own = await openTestHost();
    const { host } = own;
    const onHandedOver = async (): Promise<void> => {
      await serving[Symbol.asyncDispose]();
      await host.detach();
    };
    const serving = await serve(host, { onHandedOver: () => void onHandedOver() });
    const { stateDir, config, log } = host;
    const { signal } = new AbortController();
    const succession = createSuccession({ force: false, timeoutMs: 600_000, signal });
    const lock = (wait: { waitMs?: number } = {}): ReturnType<typeof lockFile> =>
      lockFile(stateDir.host.lock, wait);
    await using _ = await succession.takeOver({ stateDir, config, log, check: async () => {}, lock });
    const found = ['host.sock', 'host.pid', 'host.address'].map((name) => join(own.state, name));
    assert.deepEqual(found.map(existsSync), [true, true, true]);
    await using caller = await connect({ path: join(own.state, 'host.sock') });
    await assert.rejects(lockFile(stateDir.host.startLock), { code: Code.FailedPrecondition });

    await succession[Symbol.asyncDispose]();
    await caller.closed;
    assert.deepEqual(found.map(existsSync), [false, false, false]);
    await (await lockFile(stateDir.host.startLock))[Symbol.asyncDispose]();
  });
});
