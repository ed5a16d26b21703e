import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { containerdVersions } from '../../harness/containerd/containerd-binaries.ts';
import { startShimContainerd } from '../../harness/containerd/shim-containerd.ts';
import { fixture } from '../../harness/fixtures.ts';
import { eventually } from '../../harness/eventually.ts';
import { isGone } from '../../harness/leftovers.ts';

// The host of all sandboxes dies by SIGKILL: containerd executes `delete` for each, at once. Needs root.

for (const version of containerdVersions) {
  describe(`after the death of the host, with containerd ${version}`, () => {
    for (const { name, rounds, virtiofs } of [
      { name: 'the real virtiofsd', rounds: 3, virtiofs: {} },
      {
        name: 'daemons that ignore SIGTERM',
        rounds: 1,
        virtiofs: {
          virtiofs: `virtio_fs_daemon = "${fixture('ignores-sigterm')}"\nvirtio_fs_dialect = "rust"`,
        },
      },
    ]) {
      test(`containerd leaves no process, socket or directory, and ctr goes on: ${name}`, async () => {
        // The host that `delete` starts ends by itself.
        const env = { CONTAINERD_SHIM_VIRTIOFS_IDLE_TIMEOUT_MS: '1000' };
        await using containerd = await startShimContainerd({ version, env, ...virtiofs });
        const [one, two] = [await containerd.source('one'), await containerd.source('two')];
        for (const round of Array.from({ length: rounds }).keys()) {
          // oxlint-disable no-await-in-loop -- one after the other
          const ids = [`a${round}`, `b${round}`, `c${round}`];
          const runs = await Promise.all(ids.map((id) => containerd.run(id, { one, two })));
          assert.deepEqual(
            runs.map(({ code }) => code),
            [0, 0, 0],
            JSON.stringify(runs),
          );
          const records = await containerd.records();
          assert.equal(records.length, 6);
          const [host = 0] = await containerd.hosts();
          process.kill(host, 'SIGKILL');
          await eventually(
            'containerd has cleaned up',
            async () => (await containerd.leftovers()).length === 0,
          );
          for (const { pid = 0 } of records) assert.ok(isGone(pid));
          for (const id of ids) assert.equal((await containerd.ctr(['sandboxes', 'rm', id])).code, 0);
          // oxlint-enable no-await-in-loop
        }
        await eventually('no host is left', async () => (await containerd.hosts()).length === 0);
      });
    }

    test('while containerd is dead too, the next containerd leaves nothing', async () => {
      await using containerd = await startShimContainerd({ version });
      assert.equal((await containerd.run('sb', { work: await containerd.source('work') })).code, 0);
      const [host = 0] = await containerd.hosts();
      await containerd.kill('SIGKILL');
      process.kill(host, 'SIGKILL');
      await containerd.restart();
      await eventually('containerd has cleaned up', async () => (await containerd.leftovers()).length === 0);
      assert.equal((await containerd.ctr(['sandboxes', 'rm', 'sb'])).code, 0);
    });
  });
}
