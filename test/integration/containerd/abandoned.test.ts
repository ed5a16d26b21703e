import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { containerdVersions } from '../../harness/containerd/containerd-binaries.ts';
import { connectGrpc } from '../../harness/containerd/grpc.ts';
import { Store } from '../../harness/containerd/proto/sandbox-store_pb.ts';
import { createSandbox, removeSandbox } from '../../harness/containerd/sandboxes.ts';
import {
  specOf,
  startShimContainerd,
  type ShimContainerd,
} from '../../harness/containerd/shim-containerd.ts';
import { eventually } from '../../harness/eventually.ts';
import { obtain } from '../../setup/obtain.ts';

// Callers that no longer wait while CreateSandbox is at work. containerd executes `delete` in some of these cases and
// in some not, so each is repeated. Needs root.

const fixtures = join(import.meta.dirname, '../../harness/containerd/fixtures/plugins');
const rounds = 5;

const ways = ['past its deadline', 'cancelled by its caller'] as const;

for (const version of containerdVersions) {
  describe(`CreateSandbox of containerd ${version}`, () => {
    for (const way of ways) {
      for (const stubborn of [false, true]) {
        test(`${way} leaves nothing: a provider that ${stubborn ? 'takes no notice' : 'stops'}`, async () => {
          await using containerd = await startSlow({ version, stubborn });
          using grpc = connectGrpc(containerd.address);
          const spec = specOf({ work: await containerd.source('work') });
          // A sandbox that stays, so that the host does.
          await createSandbox(grpc, { id: 'other', spec: {} });
          for (const id of Array.from({ length: rounds }, (_, index) => `sb${index}`)) {
            // oxlint-disable no-await-in-loop -- one after the other
            const caller = new AbortController();
            const options = way === 'past its deadline' ? { timeoutMs: 400 } : { signal: caller.signal };
            const creating = createSandbox(grpc, { id, spec }, options);
            // DeadlineExceeded or Canceled, whichever side notices first.
            const rejected = assert.rejects(creating, ({ code }: { code: number }) => [1, 4].includes(code));
            if (!stubborn && way !== 'past its deadline')
              await eventually('the share is open', async () => (await containerd.records()).length === 1);
            caller.abort();
            await rejected;
            if (stubborn) await sleep(700);
            await eventually(
              `nothing of ${id} is left`,
              async () => (await left(containerd)).length === 0,
            ).catch(async () => assert.deepEqual(await left(containerd), []));
            // oxlint-enable no-await-in-loop
          }
          assert.equal((await containerd.hosts()).length, 1);
          await removeSandbox(grpc, 'other');
        });
      }
    }

    test('whose caller has gone does not keep the next one of the same id from its sandbox', async () => {
      await using containerd = await startSlow({ version, stubborn: true });
      using grpc = connectGrpc(containerd.address);
      const settings = { id: 'sb', spec: specOf({ work: await containerd.source('work') }) };
      await createSandbox(grpc, { id: 'other', spec: {} });
      await assert.rejects(createSandbox(grpc, settings, { timeoutMs: 200 }));
      await grpc.unary(Store.method.delete, { sandboxId: 'sb' });
      await eventually('containerd has let go of it', async () => {
        const bundles = await readdir(bundlesOf(containerd));
        return !bundles.includes('sb');
      });
      await createSandbox(grpc, settings);
      assert.equal((await containerd.records()).length, 1);
      await removeSandbox(grpc, 'sb');
      assert.deepEqual(await left(containerd), []);
    });
  });
}

/** What is left of all sandboxes but the one that stays, containerd's bundles included. */
async function left(containerd: ShimContainerd): Promise<string[]> {
  const bundles = await readdir(bundlesOf(containerd));
  return [...(await containerd.leftovers()), ...bundles.filter((id) => id !== 'other')];
}

const bundlesOf = ({ dir }: ShimContainerd): string =>
  join(dir, 'state/io.containerd.sandbox.controller.v1.shim/default');

async function startSlow({
  version,
  stubborn,
}: {
  version: (typeof containerdVersions)[number];
  stubborn: boolean;
}): Promise<ShimContainerd> {
  const daemon = `virtio_fs_daemon = "${(await obtain('virtiofsd')).path}"`;
  const config = `shared_fs = "virtio-fs-slow"
plugin_dirs = ["${fixtures}"]
[plugins."io.containerd.fsshare.v1.slow"]
delay_ms = ${stubborn ? 800 : 60_000}
stubborn = ${stubborn}
[plugins."io.containerd.fsshare.v1.slow".virtiofs]
${daemon}`;
  return startShimContainerd({ version, config });
}
