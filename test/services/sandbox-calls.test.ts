import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Sandbox } from '../../src/host/contract.ts';
import { createSandboxCalls } from '../../src/services/sandbox-calls.ts';
import { eventually } from '../harness/eventually.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { openTestHost, type TestHost } from '../harness/test-host.ts';

const NO_EVENTS = { created() {}, started() {}, awaited: () => ({ [Symbol.dispose]() {} }) };

const inMs = (ms: number): Date => new Date(Date.now() + ms);

const addSandbox = ({ host }: TestHost, sandboxId: string, startBy?: Date): Promise<Sandbox> =>
  host.sandboxes.create({
    namespace: 'k8s.io',
    sandboxId,
    owner: 'controller',
    startBy,
    contents: { shares: [{ tag: 'work' }] },
  });

describe('createSandboxCalls()', () => {
  test('removes what was adopted before its start, and was not started in time', async () => {
    await using own = await openTestHost();
    const { host } = own;
    // As sandboxes are that were adopted: there before the calls.
    const late = await addSandbox(own, 'late', inMs(0));
    const others = [await addSandbox(own, 'waits', inMs(600_000)), await addSandbox(own, 'unknown')];
    const started = await addSandbox(own, 'started', inMs(0));
    started.noteStarted();
    assert.equal(started.startBy, undefined);
    const pid = late.shares[0]?.pid ?? 0;
    using _ = createSandboxCalls(host, NO_EVENTS);
    await eventually('it is removed', () => !host.sandboxes.has(late));
    assert.equal(isGone(pid), true);
    for (const sandbox of [...others, started]) assert.equal(host.sandboxes.has(sandbox), true);
    for (const { sandboxId } of [...others, started])
      // oxlint-disable-next-line no-await-in-loop -- three
      await host.sandboxes.delete('k8s.io', sandboxId);
    assert.deepEqual(await leftovers(own.state), []);
  });
});
