import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { MountRequest } from '../../../src/proto/share/shares_pb.ts';
import { serveFakeShares } from '../../harness/fake-shares.ts';
import { serveShares } from '../../harness/share-client.ts';
import { runShimVirtiofs, type Ended } from '../../harness/shim-virtiofs.ts';

// Needs root.

describe('shim-virtiofs mount, mounts and unmount', () => {
  test('mount in a share of a host, list, and unmount', async () => {
    await using own = await serveShares();
    const { client, source } = own;
    const run = (...args: string[]): Promise<Ended> => runShimVirtiofs(...args, '--state', own.state);
    const said = async (...args: string[]): Promise<string> => {
      const { exitCode, stdout, stderr } = await run(...args);
      assert.deepEqual([exitCode, stderr], [0, '']);
      return stdout;
    };
    await client.open({ sandboxId: 'sb', tag: 'work' });
    assert.equal(
      await said('mount', 'sb', 'work', source, '/data', '--read-only'),
      `Mounted "${source}" at "/data"`,
    );
    const table = await said('mounts');
    assert.match(table, /^NAMESPACE +SANDBOX +TAG +MOUNTPOINT +KIND +OPTIONS +MOUNTED +SOURCE\n/);
    assert.match(
      table,
      new RegExp(`\\ndefault +sb +work +/data +bind +rbind,ro,rprivate +\\d{4}-\\S+Z +${source}$`),
    );
    const { mounts } = JSON.parse(await said('mounts', 'sb', 'work', '--json')) as {
      mounts: { kind: string }[];
    };
    assert.deepEqual(
      mounts.map(({ kind }) => kind),
      ['bind'],
    );
    assert.equal(await said('unmount', 'sb', 'work', '/data'), 'Unmounted "/data"');
    assert.deepEqual(JSON.parse(await said('unmount', 'sb', 'work', '/data', '--json')), {
      guestMayHoldIt: false,
    });
    const none = await run('mounts');
    assert.deepEqual([none.exitCode, none.stdout, none.stderr], [0, '', 'No mounts']);
  });

  test('fail with the words of the host', async () => {
    await using own = await serveShares();
    await own.client.open({ sandboxId: 'sb', tag: 'work' });
    const run = (...args: string[]): Promise<Ended> => runShimVirtiofs(...args, '--state', own.state);
    for (const [args, exitCode, words] of [
      [['mount', 'sb', 'none', own.source, '/data'], 4, /Sandbox "sb" has no share "none"$/],
      [['mount', 'sb', 'work', own.source, 'data'], 2, /Invalid mountpoint "data": use "\/" and one name/],
      [['mount', 'sb', 'work', own.source, '/data', '-o', 'ro,nosuid'], 2, /has no option "nosuid"/],
      [
        ['mount', 'sb', 'work', own.source, '/data', '--image-config', '/none'],
        2,
        /^shim-virtiofs: Cannot read the file of --image-config: ENOENT: no such file or directory: "\/none": create it first$/,
      ],
      [
        ['mount', 'sb', 'work', own.source, '/data', '--image-config', own.source],
        2,
        /^shim-virtiofs: Cannot read the file of --image-config: EISDIR: .*: "\/.*"$/,
      ],
      [['unmount', 'none', 'work', '/data'], 4, /No sandbox "none"/],
    ] as const) {
      const ended = await run(...args);
      assert.deepEqual([ended.exitCode, ended.stdout], [exitCode, ''], args.join(' '));
      assert.match(ended.stderr, words);
    }
  });

  test('pass on all that they are told, and say where the guest may hold it', async () => {
    const asked: Partial<MountRequest>[] = [];
    await using fake = await serveFakeShares({
      mount(request) {
        asked.push(request);
        return {};
      },
      unmount: () => ({ guestMayHoldIt: true }),
    });
    await using own = await serveShares();
    const file = join(own.path, 'backend.json');
    await mkdir(join(own.path, 'image'));
    await writeFile(file, '{"device": {}}');
    const run = (...args: string[]): Promise<Ended> => runShimVirtiofs(...args, '--address', fake.address);
    const args = [
      'mount',
      'sb',
      'work',
      '/boot',
      '/rafs/x/lowerdir',
      '-n',
      'k8s.io',
      '--type',
      'rafs',
      '-o',
      'a,b',
    ];
    assert.equal((await run(...args, '--image-config', file)).exitCode, 0);
    const [{ $typeName: _, ...request } = {}] = asked;
    assert.deepEqual(request, {
      namespace: 'k8s.io',
      sandboxId: 'sb',
      tag: 'work',
      source: '/boot',
      mountpoint: '/rafs/x/lowerdir',
      type: 'rafs',
      options: ['a', 'b'],
      config: '{"device": {}}',
    });
    const { stdout } = await run('unmount', 'sb', 'work', '/data');
    assert.equal(stdout, 'Unmounted "/data"; the guest may hold it until the share ends');
  });

  test('list what a daemon lost with its problem', async () => {
    const mount = { namespace: 'default', sandboxId: 'sb', tag: 'work', source: '/b', kind: 'rafs' };
    await using fake = await serveFakeShares({
      listMounts: () => ({
        mounts: [
          { ...mount, mountpoint: '/one' },
          { ...mount, mountpoint: '/two', problem: 'It is gone' },
        ],
      }),
    });
    const { exitCode, stdout } = await runShimVirtiofs('mounts', '--address', fake.address);
    assert.equal(exitCode, 0);
    const [heading = '', one = '', two = ''] = stdout.split('\n');
    assert.match(heading, / SOURCE +PROBLEM$/);
    assert.match(one, / \/one .* \/b$/);
    assert.match(two, / \/two .* \/b +It is gone$/);
  });

  test('say that a host is too old for them', async () => {
    await using fake = await serveFakeShares({});
    const { exitCode, stderr } = await runShimVirtiofs('mounts', '--address', fake.address);
    assert.equal(exitCode, 1);
    assert.match(stderr, /has no such call: it is an older one; restart it with this version$/);
  });
});
