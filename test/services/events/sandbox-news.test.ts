import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Sandbox } from '../../../src/host/contract.ts';
import { createSandboxNews } from '../../../src/services/events/sandbox-news.ts';

/** A sandbox that another host had made for containerd, and that has ended now. */
const adopted = (namespace: string): Sandbox =>
  ({
    namespace,
    sandboxId: 'sb',
    owner: 'shim',
    exit: { exitStatus: 0, cause: 'stopped', exitedAt: new Date() },
  }) as unknown as Sandbox;

describe('createSandboxNews()', () => {
  for (const { namespace, topics } of [
    { namespace: 'default', topics: [] },
    { namespace: 'k8s.io', topics: ['/sandboxes/start', '/sandboxes/exit'] },
  ])
    test(`takes one of namespace ${namespace} that another host had for what its namespace says`, () => {
      const told: unknown[] = [];
      const news = createSandboxNews({ publish: ({ topic }) => void told.push(topic), since: new Date(0) });
      const sandbox = adopted(namespace);
      using _ = news.awaited(sandbox);
      news.started(sandbox);
      news.onEvent({ type: 'ended', time: new Date(), sandbox });
      assert.deepEqual(told, topics);
    });
});
