import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, test } from 'node:test';

import { fixture } from '../../harness/fixtures.ts';
import { isGone } from '../../harness/leftovers.ts';
import { containerdVersions } from '../../harness/containerd/containerd-binaries.ts';
import { startShimContainerd } from '../../harness/containerd/shim-containerd.ts';

// A real containerd executes the shim of this checkout. Needs root.

for (const version of containerdVersions) {
  describe(`ctr sandboxes with containerd ${version}`, () => {
    test('run starts a virtiofsd for each virtiofs mount, ls lists the sandbox, rm stops them', async () => {
      await using containerd = await startShimContainerd({ version });
      const sources = { work: await containerd.source('work'), cache: await containerd.source('cache') };
      const run = await containerd.run('sb1', sources);
      assert.equal(run.code, 0, run.stderr);

      const records = await containerd.records();
      assert.deepEqual(Object.fromEntries(records.map(({ tag, source }) => [tag, source])), sources);
      const processes = await containerd.processes();
      for (const { pid, source } of records) {
        const daemon = processes.find((candidate) => candidate.pid === pid);
        assert.ok(
          daemon?.argv.some((argument) => argument.endsWith(source)),
          `${pid} serves ${source}`,
        );
      }
      const listed = await containerd.ctr(['sandboxes', 'ls']);
      assert.match(listed.stdout, /^sb1\s.*io\.containerd\.virtiofs\.v1\s*$/m);

      const removed = await containerd.ctr(['sandboxes', 'rm', 'sb1']);
      assert.equal(removed.code, 0, removed.stderr);
      assert.doesNotMatch((await containerd.ctr(['sandboxes', 'ls'])).stdout, /sb1/);
      for (const { pid = 0, socketPath } of records) {
        assert.ok(isGone(pid), `${pid} has ended`);
        assert.equal(existsSync(socketPath), false);
      }
      assert.deepEqual(await containerd.leftovers(), []);
    });

    test('one host serves two sandboxes, and removing one leaves the other', async () => {
      await using containerd = await startShimContainerd({ version });
      const [one, two] = [await containerd.source('one'), await containerd.source('two')];
      const runs = await Promise.all([containerd.run('sb1', { one }), containerd.run('sb2', { two })]);
      assert.deepEqual(
        runs.map(({ code }) => code),
        [0, 0],
        JSON.stringify(runs),
      );
      const host = await containerd.hosts();
      assert.equal(host.length, 1, JSON.stringify(await containerd.processes()));

      const { code, stderr } = await containerd.ctr(['sandboxes', 'rm', 'sb1']);
      assert.equal(code, 0, stderr);
      const [left, ...others] = await containerd.records();
      assert.deepEqual(others, []);
      assert.equal(left?.tag, 'two');
      assert.equal(isGone(left.pid), false);
      assert.deepEqual(await containerd.hosts(), host, JSON.stringify(await containerd.processes()));
    });

    test('a run whose source is missing says so and leaves another sandbox alone', async () => {
      await using containerd = await startShimContainerd({ version });
      assert.equal((await containerd.run('sb1', { work: await containerd.source('work') })).code, 0);
      const before = await containerd.records();

      const { code, stderr } = await containerd.run('sb2', { work: '/nowhere/at/all' });
      assert.equal(code, 1);
      const reason = 'virtiofsd source path is not available: "/nowhere/at/all": create it first';
      assert.ok(stderr.includes(`Cannot start share "work": ${reason}`), stderr);
      assert.deepEqual(await containerd.records(), before);
      assert.ok(!isGone(before[0]?.pid ?? 0));

      // containerd keeps the record of what failed; rm clears it.
      assert.equal((await containerd.ctr(['sandboxes', 'rm', 'sb2'])).code, 0);
      assert.doesNotMatch((await containerd.ctr(['sandboxes', 'ls'])).stdout, /sb2/);
    });

    test("a run shows the daemon's own words", async () => {
      const virtiofs = `virtio_fs_daemon = "${fixture('exits-early')}"\nvirtio_fs_dialect = "rust"`;
      await using containerd = await startShimContainerd({ version, virtiofs });
      const { code, stderr } = await containerd.run('sb1', { work: await containerd.source('work') });
      assert.equal(code, 1);
      assert.match(stderr, /exited with code 7: cannot open the directory: it is a teapot/);
      assert.deepEqual(await containerd.leftovers(), []);
    });
  });
}
