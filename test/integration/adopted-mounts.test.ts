import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { mountsBeneath } from '../../src/proc/mountinfo.ts';
import { eventually } from '../harness/eventually.ts';
import { fixture } from '../harness/fixtures.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { mountedTree } from '../harness/mounted-tree.ts';
import { startServe } from '../harness/serve-process.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { realVirtiofsds } from '../harness/virtiofsds.ts';
import { withPrograms } from '../harness/with-programs.ts';

// Hosts are processes of their own, and are killed. Needs root.

const REAL_MOUNT = execFileSync('sh', ['-c', 'command -v mount'], { encoding: 'utf8' }).trim();
const name = { sandboxId: 'sb', tag: 'work' };

for (const { name: virtiofsd, dialect, path: daemon, skip } of await realVirtiofsds()) {
  describe(`the mounts of a host that was killed, with ${virtiofsd}`, { skip }, () => {
    test('are those of the next one, which unmounts them', async () => {
      await using tree = await mountedTree();
      await using directory = await temporaryDirectory();
      const state = join(directory.path, 'state');
      await using former = await startServe(directory.path, { daemon, dialect });
      const { share } = await former.shares.open(name);
      const sharedDir = share?.sharedDir ?? '';
      for (const mountpoint of ['/one', '/two', '/three'])
        await former.shares.mount({ ...name, source: tree.path, mountpoint });
      await former.shares.unmount({ ...name, mountpoint: '/three' });
      const { mounts } = await former.shares.listMounts({});
      assert.deepEqual(
        mounts.map(({ mountpoint }) => mountpoint),
        ['/one', '/two'],
      );
      await former.end('SIGKILL');
      // As an administrator may.
      execFileSync('umount', ['-R', join(sharedDir, 'two')]);

      await using host = await startServe(directory.path, { daemon, dialect });
      assert.deepEqual((await host.shares.listMounts({})).mounts, mounts.slice(0, 1));
      assert.deepEqual(readdirSync(sharedDir), ['one']);
      for (const mountpoint of ['/two', '/three'])
        await assert.rejects(host.shares.mount({ ...name, source: tree.path, mountpoint }), {
          code: Code.AlreadyExists,
        });
      await host.shares.mount({ ...name, source: tree.path, mountpoint: '/four' });
      await host.shares.unmount({ ...name, mountpoint: '/one' });
      assert.equal((await host.shares.close(name)).closed, 1);
      assert.deepEqual(await leftovers(state), []);
      assert.deepEqual(mountsBeneath(directory.path), [join(state, 'shared')]);
      assert.equal(mountsBeneath(tree.path).length, 2);
      await host.end('SIGTERM');
      assert.deepEqual(mountsBeneath(directory.path), []);
    });
  });
}

describe('a mount whose host was killed between two steps', () => {
  // The name of the step, and what mount(8) does in it before the host dies.
  for (const [step, option, before] of [
    ['when it was made aside', '--move', ''],
    ['when it was moved', '--move', `${REAL_MOUNT} "$@"`],
    ['when it was not parted from its source yet', '--rbind', `${REAL_MOUNT} --rbind "$4" "$5"`],
  ] as const) {
    test(`is undone by the next one: ${step}`, async () => {
      await using tree = await mountedTree();
      await using directory = await temporaryDirectory();
      const { path } = directory;
      const state = join(path, 'state');
      const pidFile = join(path, 'pid');
      const script = `case "$1" in ${option}) ${before || ':'}; echo $$ > ${pidFile}.new; mv ${pidFile}.new ${pidFile}
        exec sleep 600;; esac
        exec ${REAL_MOUNT} "$@"`;
      const options = { daemon: fixture('waits') };
      await withPrograms({ mount: script }, async () => {
        await using host = await startServe(path, options);
        await host.shares.open(name);
        const mounting = host.shares.mount({ ...name, source: tree.path, mountpoint: '/data' });
        mounting.catch(() => {});
        await eventually('it is in the middle of it', () => existsSync(pidFile));
        await host.end('SIGKILL');
        await assert.rejects(mounting);
      });
      const pid = Number(readFileSync(pidFile, 'utf8'));
      process.kill(pid, 'SIGKILL');
      await eventually('its mount(8) is gone', () => isGone(pid));
      assert.equal(
        mountsBeneath(state).some((mountpoint) => mountpoint.endsWith('/below')),
        true,
      );

      await using host = await startServe(path, options);
      const { share } = await host.shares.get(name);
      assert.equal(share?.state, 'waiting');
      assert.deepEqual((await host.shares.listMounts({})).mounts, []);
      assert.deepEqual(mountsBeneath(state), [join(state, 'shared')]);
      assert.deepEqual([readdirSync(share.sharedDir), readdirSync(join(state, 'staging'))], [[], []]);
      assert.equal(mountsBeneath(tree.path).length, 2);
      await host.shares.close(name);
      assert.deepEqual(await leftovers(state), []);
    });
  }
});
