import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Sandbox } from '../../src/host/contract.ts';
import { createUnstarted } from '../../src/services/unstarted.ts';
import { eventually } from '../harness/eventually.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { openTestHost, type TestHost } from '../harness/test-host.ts';

const WARNING = 'Removing a sandbox whose creator gave up before its start';

const createSandbox = ({ host }: TestHost, sandboxId: string): Promise<Sandbox> => {
  const identity = { namespace: 'k8s.io', sandboxId, owner: 'controller' } as const;
  return host.sandboxes.create({ ...identity, contents: { shares: [{ tag: 'work' }] } });
};

const afterMs = (ms: number): Date => new Date(Date.now() + ms);

describe('createUnstarted()', () => {
  test('removes a sandbox at its deadline, and none that is being started', async () => {
    await using own = await openTestHost();
    const { host, captured } = own;
    using unstarted = createUnstarted(host);
    const [started, abandoned] = [await createSandbox(own, 'started'), await createSandbox(own, 'abandoned')];
    const pid = abandoned.shares[0]?.pid ?? 0;
    unstarted.add(started, afterMs(100));
    unstarted.add(abandoned, afterMs(200));
    unstarted.remove(started);
    await eventually('the abandoned one is gone', () => !host.sandboxes.has(abandoned));
    assert.equal(isGone(pid), true);
    assert.equal(host.sandboxes.has(started), true);
    assert.deepEqual(
      captured.withMessage(WARNING).map(({ sandbox }) => sandbox),
      ['abandoned'],
    );
    await host.sandboxes.delete('k8s.io', 'started');
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('removes one whose deadline has passed already', async () => {
    await using own = await openTestHost();
    using unstarted = createUnstarted(own.host);
    const sandbox = await createSandbox(own, 'late');
    unstarted.add(sandbox, afterMs(-1000));
    await eventually('it is gone', () => !own.host.sandboxes.has(sandbox));
  });

  test('leaves another sandbox of the same id alone', async () => {
    await using own = await openTestHost();
    const { host, captured } = own;
    using unstarted = createUnstarted(host);
    const first = await createSandbox(own, 'sb');
    await host.sandboxes.delete('k8s.io', 'sb');
    const second = await createSandbox(own, 'sb');
    const witness = await createSandbox(own, 'witness');
    unstarted.add(first, afterMs(0));
    unstarted.add(witness, afterMs(50));
    await eventually('the witness is gone', () => !host.sandboxes.has(witness));
    assert.equal(host.sandboxes.has(second), true);
    assert.equal(captured.withMessage(WARNING).length, 1);
  });

  test('removes nothing after its disposal', async () => {
    await using own = await openTestHost();
    const { host } = own;
    const unstarted = createUnstarted(host);
    const kept = await createSandbox(own, 'kept');
    unstarted.add(kept, afterMs(0));
    unstarted[Symbol.dispose]();
    using others = createUnstarted(host);
    const witness = await createSandbox(own, 'witness');
    others.add(witness, afterMs(50));
    await eventually('the witness is gone', () => !host.sandboxes.has(witness));
    assert.equal(host.sandboxes.has(kept), true);
  });
});
