import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { Code, type StatusError } from 'ttrpc-ts';
import { openStateDirectory } from '../../src/share/state-directory.ts';
import { fixture } from '../harness/fixtures.ts';
import { openTestHost } from '../harness/test-host.ts';
import { writePlugin } from '../harness/test-plugin.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

/** A state directory on a file system of its own. Disposal unmounts and removes it. */
async function stateOn(options: string): Promise<{ path: string } & AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory());
  const path = join(directory.path, 'small');
  mkdirSync(path);
  await execa('mount', ['-t', 'tmpfs', '-o', `mode=700,${options}`, 'csv-test', path]);
  stack.defer(async () => void (await execa('umount', [path])));
  const own = stack.move();
  return { path, [Symbol.asyncDispose]: () => own.disposeAsync() };
}

// These mount, and so need root.
describe('a system error while a share is opened', () => {
  const full: [what: string, options: string, fill: (path: string) => void, message: RegExp][] = [
    [
      'no block is left for a record',
      'size=256k',
      (path) => {
        try {
          writeFileSync(join(path, 'fill'), Buffer.alloc(1 << 20));
        } catch {} // it is full
      },
      /^Cannot open share "work": ENOSPC: no space left on device: ".*small.*": free space on its file system/,
    ],
    [
      'no inode is left',
      'nr_inodes=20',
      (path) => {
        for (let index = 0; index < 20; index++) {
          try {
            writeFileSync(join(path, `fill-${index}`), '');
          } catch {} // it is full
        }
      },
      /^Cannot open share "work": ENOSPC: no space left on device: ".*small.*": free space/,
    ],
  ];
  for (const [what, options, fill, message] of full) {
    test(`names share, path and remedy where ${what}`, async () => {
      await using small = await stateOn(options);
      await using own = await openTestHost({ config: { state: small.path } });
      openStateDirectory(small.path);
      fill(small.path);
      const opening = own.host.openShare({ sandboxId: 'a', tag: 'work', source: own.source });
      await assert.rejects(opening, (error: StatusError) => {
        assert.equal(error.code, Code.ResourceExhausted);
        assert.match(error.message, message);
        assert.equal((error.cause as NodeJS.ErrnoException).code, 'ENOSPC');
        return true;
      });
    });
  }

  test("is told in the same way where a plugin's own code throws it", async () => {
    await using directory = await temporaryDirectory();
    const code = `import { opendir } from 'node:fs/promises';
      export const create = () => ({ open: () => opendir('/etc/passwd/below'), close: async () => {} });`;
    await writePlugin(directory.path, { id: 'broken', code });
    await using own = await openTestHost({
      config: { plugin_dirs: [directory.path], shared_fs: 'fs-broken' },
    });
    await assert.rejects(own.host.openShare({ sandboxId: 'a', tag: 'work', source: own.source }), {
      name: 'StatusError',
      code: Code.InvalidArgument,
      message:
        'Cannot open share "work": ENOTDIR: not a directory: "/etc/passwd/below": correct the path: a part of it is no directory',
    });
  });
});

// The limit is set for a user namespace, which the kernel refuses in a chroot (user_namespaces(7)).
const { failed } = await execa('unshare', ['--user', '--map-root-user', 'true'], { reject: false });
const skip = failed && 'no user namespace can be had here';

describe('a share where the kernel has no room for watching', { skip }, () => {
  test('is opened, said to be ready and deleted all the same: its output is looked at now and then', async () => {
    const program = fixture('opens-share.ts');
    const script = 'echo 0 >/proc/sys/user/max_inotify_instances && exec "$@"';
    const command = ['--user', '--map-root-user', 'sh', '-c', script, 'sh', process.execPath, program];
    const { stdout } = await execa('unshare', command);
    const lines = stdout.split('\n');
    const why = 'no inotify instance is left: raise fs.inotify.max_user_instances';
    assert.deepEqual(lines, [
      `warn Looking for deletions now and then: ${why}`,
      `warn Reading output now and then: ${why}`,
      'ready',
      'deleted',
    ]);
  });
});
