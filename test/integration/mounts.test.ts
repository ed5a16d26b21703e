import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { qemuArguments, type Sandbox } from '../../src/index.ts';
import { mountsBeneath } from '../../src/proc/mountinfo.ts';
import { askedGuest, type AskedGuest } from '../harness/guest/asked-guest.ts';
import { leftovers } from '../harness/leftovers.ts';
import { sandboxRequest } from '../harness/sandbox-request.ts';
import { smallFileSystem } from '../harness/small-file-system.ts';
import { openTestHost, type TestHost, type TestHostOptions } from '../harness/test-host.ts';
import { mountedTree } from '../harness/mounted-tree.ts';
import { realVirtiofsds } from '../harness/virtiofsds.ts';

// Needs root.

const MEMORY_MIB = 256;

/** The sandbox modes that a virtiofsd has, as its extra arguments. */
const MODES = {
  rust: [[], ['--sandbox=chroot'], ['--sandbox=none']],
  c: [[], ['-o', 'sandbox=chroot']],
} as const;

interface SharedWithGuest extends TestHost {
  readonly sandbox: Sandbox;
  readonly guest: AskedGuest;
  /** What the guest has under `/mnt`, on the host. */
  readonly sharedDir: string;
}

async function shareWithGuest(options: TestHostOptions): Promise<SharedWithGuest> {
  await using stack = new AsyncDisposableStack();
  const own = stack.use(await openTestHost(options));
  const sandbox = await own.host.sandboxes.create(sandboxRequest('sb', { tag: 'work' }));
  const [share] = sandbox.shares;
  await share?.ready;
  const args = qemuArguments(sandbox.shares, { memoryMiB: MEMORY_MIB });
  const memory = args.indexOf('-m');
  const guest = stack.use(
    await askedGuest('work', {
      memoryMiB: MEMORY_MIB,
      qemuArguments: memory === -1 ? args : args.toSpliced(memory, 2),
    }),
  );
  const moved = stack.move();
  return {
    ...own,
    sandbox,
    guest,
    sharedDir: share?.sharedDir ?? '',
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

for (const { name, dialect, path: daemon, skip } of await realVirtiofsds()) {
  for (const extraArgs of MODES[dialect]) {
    describe(`Sandbox.mount() with ${name} ${extraArgs.join(' ')}`, { skip }, () => {
      const virtiofs = { virtio_fs_dialect: dialect, virtio_fs_extra_args: [...extraArgs] };

      test('shows the guest a directory, a file and what is mounted beneath, and writes nothing that is read-only', async () => {
        await using tree = await mountedTree();
        await using own = await shareWithGuest({ daemon, virtiofs });
        const { sandbox, guest } = own;
        const before = mountsBeneath(tree.path);
        const file = join(tree.path, 'file');
        writeFileSync(file, 'of the host\n');

        await sandbox.mount('work', { source: tree.path, mountpoint: '/rw' });
        await sandbox.mount('work', { source: tree.path, mountpoint: '/ro', options: ['rbind', 'ro'] });
        await sandbox.mount('work', { source: file, mountpoint: '/file', options: ['ro'] });
        assert.deepEqual(await guest.ask('cat /mnt/rw/file /mnt/ro/file /mnt/file'), {
          code: 0,
          output: 'of the host\nof the host\nof the host',
        });
        await guest.ask('echo of the guest > /mnt/rw/below/written');
        assert.equal(readFileSync(join(tree.below, 'written'), 'utf8'), 'of the guest\n');
        assert.equal((await guest.ask('cat /mnt/ro/below/written')).output, 'of the guest');
        for (const line of [
          'echo x > /mnt/ro/new',
          'mkdir /mnt/ro/below/new',
          'echo x > /mnt/ro/below/written',
          'echo x > /mnt/file',
          'chmod 777 /mnt/ro/below/written',
          'rm /mnt/ro/file',
        ]) {
          const { code, output } = await guest.ask(line);
          assert.notEqual(code, 0, line);
          assert.match(output, /Read-only file system/, line);
        }

        assert.deepEqual(
          sandbox.mounts('work').map(({ mountpoint, options }) => [mountpoint, options.join()]),
          [
            ['/rw', 'rbind,rw,rprivate'],
            ['/ro', 'rbind,ro,rprivate'],
            ['/file', 'rbind,ro,rprivate'],
          ],
        );
        // It has looked all of them up.
        for (const mountpoint of ['/rw', '/ro', '/file'])
          assert.deepEqual(await sandbox.unmount('work', mountpoint), { guestMayHoldIt: true });
        assert.deepEqual(mountsBeneath(own.sharedDir), []);
        // The source's own are of no concern to what was mounted of it.
        assert.deepEqual(mountsBeneath(tree.path), before);
        assert.deepEqual(sandbox.mounts('work'), []);
        await sandbox[Symbol.asyncDispose]();
        assert.deepEqual(await leftovers(own.state), []);
        assert.deepEqual(mountsBeneath(tree.path), before);
      });
    });
  }

  describe(`Sandbox.mount() with ${name}`, { skip }, () => {
    const virtiofs = { virtio_fs_dialect: dialect };

    test('shows it in a share whose directory is a file system of its own', async () => {
      await using small = await smallFileSystem(64 << 20);
      const config = { scratch_dir: small.path, scratch_limit_mib: 2 };
      await using own = await shareWithGuest({ daemon, virtiofs, config });
      const { sandbox, guest, source } = own;
      assert.deepEqual(mountsBeneath(own.sharedDir), [own.sharedDir]);
      writeFileSync(join(source, 'file'), 'of the host\n');
      await sandbox.mount('work', { source, mountpoint: '/data' });
      assert.deepEqual(await guest.ask('cat /mnt/data/file'), { code: 0, output: 'of the host' });
      await sandbox[Symbol.asyncDispose]();
      assert.deepEqual(mountsBeneath(small.path), [small.path]);
    });

    test('says that the guest does not hold what it never looked up, or has unmounted itself', async () => {
      await using own = await shareWithGuest({ daemon, virtiofs });
      const { sandbox, guest, source } = own;
      await sandbox.mount('work', { source, mountpoint: '/never' });
      assert.deepEqual(await sandbox.unmount('work', '/never'), { guestMayHoldIt: false });
      await sandbox.mount('work', { source, mountpoint: '/data' });
      await guest.ask('echo of the guest > /mnt/data/written');
      await guest.ask('umount /mnt');
      assert.deepEqual(await sandbox.unmount('work', '/data'), { guestMayHoldIt: false });
      assert.equal(readFileSync(join(source, 'written'), 'utf8'), 'of the guest\n');
    });
  });
}
