import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, test } from 'node:test';
import type { Sandbox } from '../../src/host/contract.ts';
import { readRecord } from '../../src/share/record.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { sandboxRequest } from '../harness/sandbox-request.ts';
import { openTestHost, type TestHost } from '../harness/test-host.ts';
import { realVirtiofsds } from '../harness/virtiofsds.ts';

/** Of those that are opened at once, and again while these are deleted. */
const SANDBOXES = 100;
const STARTS_AT_A_TIME = 2;

const idsOf = (prefix: string, count = SANDBOXES): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index}`);

const create = ({ host, source }: TestHost, sandboxId: string): Promise<Sandbox> =>
  host.sandboxes.create(sandboxRequest(sandboxId, { tag: 'work', source }));

/** What does not differ from one to the next. */
function describeOne({ host }: TestHost, { sandboxId, shares: [share] }: Sandbox): unknown {
  const files = host.stateDir.share('default', sandboxId, 'work');
  const { daemon, source, owner, readOnly, mounts } = readRecord(files) ?? assert.fail('no record');
  assert.equal(daemon?.pid, share?.pid);
  const { state, queueSize } = share?.status() ?? assert.fail('no share');
  const found = readdirSync(files.directory);
  return { state, queueSize, args: daemon?.args, source, owner, readOnly, mounts, files: found };
}

/** The most daemons that had been started and did not wait yet, at any time that the log tells of. */
function mostStarting({ captured }: TestHost): number {
  let starting = 0;
  let most = 0;
  for (const { msg } of captured.lines) {
    if (msg === 'Starting virtiofsd') most = Math.max(most, ++starting);
    else if (msg.includes('Waiting for vhost-user socket connection')) starting--;
  }
  return most;
}

for (const { name, path, dialect, skip } of await realVirtiofsds()) {
  describe(`many shares of ${name}`, { skip }, () => {
    test('are what each is alone, start two at a time, and go while others come', async (context) => {
      // A daemon that is late gives its slot up after a second; here, on a busy machine, it does not.
      context.mock.timers.enable({ apis: ['setTimeout'] });
      const virtiofs = { virtio_fs_dialect: dialect, virtio_fs_stop_timeout_ms: 60_000 };
      await using own = await openTestHost({ daemon: path, virtiofs });
      const { sandboxes } = own.host;
      const alone = await create(own, 'alone');
      await alone.shares[0]?.ready;
      const first = await Promise.all(idsOf('first').map((id) => create(own, id)));
      await Promise.all(first.flatMap(({ shares }) => shares.map(({ ready }) => ready)));
      assert.equal(mostStarting(own), STARTS_AT_A_TIME);
      for (const sandbox of first) assert.deepEqual(describeOne(own, sandbox), describeOne(own, alone));
      const paths = first.flatMap(({ shares }) => shares.map(({ socketPath }) => socketPath));
      assert.equal(new Set(paths).size, SANDBOXES);
      context.mock.timers.reset();

      const pids = first.flatMap(({ shares }) => shares.map(({ pid }) => pid));
      const [second] = await Promise.all([
        Promise.all(idsOf('second').map((id) => create(own, id))),
        ...idsOf('first').map((id) => sandboxes.delete('default', id)),
      ]);
      assert.deepEqual(
        pids.filter((pid) => !isGone(pid)),
        [],
      );
      await Promise.all(second.flatMap(({ shares }) => shares.map(({ ready }) => ready)));
      for (const sandbox of second) assert.deepEqual(describeOne(own, sandbox), describeOne(own, alone));
      await Promise.all(['alone', ...idsOf('second')].map((id) => sandboxes.delete('default', id)));
      assert.equal(sandboxes.size, 0);
      assert.deepEqual(await leftovers(own.state), []);
    });
  });
}
