import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import { describe, test } from 'node:test';

import { containerdVersions } from '../../harness/containerd/containerd-binaries.ts';
import { startShimContainerd, type ShimContainerd } from '../../harness/containerd/shim-containerd.ts';
import { eventually } from '../../harness/eventually.ts';

// What a real containerd copies from the bundles to its own log. Needs root.

/** The lines of the host's log that stand in containerd's. */
async function copiedLines(containerd: ShimContainerd): Promise<Record<string, unknown>[]> {
  return (await containerd.logs()).split('\n').flatMap((line) => {
    try {
      return line.startsWith('{') ? [JSON.parse(line) as Record<string, unknown>] : [];
    } catch {
      return []; // half of one, which is being written
    }
  });
}

/** The logs of bundles that a process has open. */
const openLogsOf = (pid: number): string[] =>
  readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/${pid}/fd/${fd}`);
      return /\/log( \(deleted\))?$/.test(target) ? target : [];
    } catch {
      return [];
    }
  });

for (const version of containerdVersions) {
  describe(`the log of containerd ${version}`, () => {
    test("gets a sandbox's lines while it is there, the daemon's own words included", async () => {
      await using containerd = await startShimContainerd({ version });
      const source = await containerd.source('work');
      assert.equal((await containerd.run('sb1', { work: source })).code, 0);
      const [host = 0] = await containerd.hosts();
      assert.equal(openLogsOf(host).length, 1);
      assert.equal((await containerd.ctr(['sandboxes', 'rm', 'sb1'])).code, 0);
      const isCopied = async (message: string | RegExp): Promise<boolean> =>
        (await copiedLines(containerd)).some(
          ({ sandbox, msg }) => sandbox === 'sb1' && String(msg).search(message) >= 0,
        );
      for (const message of ['Starting virtiofsd', /Waiting for vhost-user/, /it was stopped$/])
        // oxlint-disable-next-line no-await-in-loop -- three
        await eventually(`"${message}" is copied`, () => isCopied(message));
      await eventually('the host has closed it', () => openLogsOf(host).length === 0);
    });

    test('gets the reason why a sandbox cannot be made', async () => {
      await using containerd = await startShimContainerd({ version });
      assert.equal((await containerd.run('sb1', { work: '/nowhere/at/all' })).code, 1);
      await eventually('it is copied', async () =>
        (await copiedLines(containerd)).some(
          ({ level, sandbox, msg }) =>
            level === 'error' && sandbox === 'sb1' && String(msg).includes('"/nowhere/at/all"'),
        ),
      );
      const [host = 0] = await containerd.hosts();
      await eventually('the host has closed it', () => openLogsOf(host).length === 0);
    });

    test('gets further lines after a crash of containerd, by the same descriptor', async () => {
      await using containerd = await startShimContainerd({ version });
      assert.equal((await containerd.run('sb1', { work: await containerd.source('work') })).code, 0);
      const [[host = 0], [record]] = [await containerd.hosts(), await containerd.records()];
      const before = openLogsOf(host);
      await containerd.kill('SIGKILL');
      await containerd.restart();
      process.kill(record?.pid ?? 0, 'SIGKILL');
      await eventually('its end is copied', async () =>
        (await copiedLines(containerd)).some(({ msg }) => msg === 'virtiofsd was killed by SIGKILL'),
      );
      assert.deepEqual(openLogsOf(host), before);
      assert.equal((await containerd.ctr(['sandboxes', 'rm', 'sb1'])).code, 0);
      await eventually('the host has closed it', () => openLogsOf(host).length === 0);
    });
  });
}
