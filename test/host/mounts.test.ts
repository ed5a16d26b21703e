import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import type { Sandbox } from '../../src/host/contract.ts';
import { readRecord } from '../../src/share/record.ts';
import { fixture } from '../harness/fixtures.ts';
import { sandboxRequest as request } from '../harness/sandbox-request.ts';
import { openTestHost, type TestHost } from '../harness/test-host.ts';
import { manifestOf, writePlugin } from '../harness/test-plugin.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

/** A provider that mounts nothing, and says what it was asked. */
const code = `
import { openShare } from 'containerd-shim-virtiofs/plugin';
export const asked = [];
const daemon = () => ({ name: 'exampled', program: () => ({ command: '${fixture('waits')}', args: [] }),
  socket: 'handed-over', ready: { line: /Waiting/ }, startTimeoutMs: 600000, stopTimeoutMs: 600000 });
export const create = (context) => ({
  open: (request, { signal }) => openShare(context, request, { queueSize: 1, daemon, signal }),
  mount: async (share, mount) => {
    if (mount.source === '/broken') throw new Error('out of order');
    asked.push(['mount', share.tag, mount]);
  },
  unmount: async (share, mountpoint) => void asked.push(['unmount', share.tag, mountpoint]),
});`;

async function sandboxThatMounts(
  directory: string,
): Promise<TestHost & { sandbox: Sandbox; asked: unknown[] }> {
  const hooks = 'mount = "mount"\nunmount = "unmount"';
  const manifest = manifestOf('x').replace('"sandbox.delete" = "close"', hooks);
  const file = await writePlugin(directory, { id: 'x', manifest, code });
  const own = await openTestHost({ config: { plugin_dirs: [directory] } });
  const sandbox = await own.host.sandboxes.create(request('a', { tag: 'work', sharedFs: 'fs-x' }));
  const { asked } = (await import(file.replace('plugin.toml', 'plugin.mjs'))) as { asked: unknown[] };
  return { ...own, sandbox, asked };
}

describe('Sandbox.mount()', () => {
  test("passes on to the provider's hook, and the record tells what is mounted until it is unmounted", async () => {
    await using directory = await temporaryDirectory();
    await using own = await sandboxThatMounts(directory.path);
    const { sandbox, asked } = own;
    const mounts = (): [string, string][] =>
      readRecord(own.host.stateDir.share('default', 'a', 'work'))?.mounts.map(({ source, mountpoint }) => [
        source,
        mountpoint,
      ]) ?? assert.fail('no record');
    await sandbox.mount('work', { source: '/srv/one', mountpoint: '/one', config: 'secret' });
    await sandbox.mount('work', { source: '/srv/two', mountpoint: '/two' });
    assert.deepEqual(mounts(), [
      ['/srv/one', '/one'],
      ['/srv/two', '/two'],
    ]);
    await assert.rejects(sandbox.mount('work', { source: '/broken', mountpoint: '/three' }), {
      message: 'out of order',
    });
    await sandbox.unmount('work', '/one');
    assert.deepEqual(mounts(), [['/srv/two', '/two']]);
    assert.deepEqual(asked, [
      ['mount', 'work', { source: '/srv/one', mountpoint: '/one', config: 'secret' }],
      ['mount', 'work', { source: '/srv/two', mountpoint: '/two' }],
      ['unmount', 'work', '/one'],
    ]);
  });

  test('rejects for an unknown tag with NotFound, and for a plugin without mounts with one Unimplemented', async () => {
    await using directory = await temporaryDirectory();
    await using own = await sandboxThatMounts(directory.path);
    const mount = { source: '/srv', mountpoint: '/x' };
    await assert.rejects(own.sandbox.mount('other', mount), {
      code: Code.NotFound,
      message: 'Sandbox "a" has no share "other"',
    });
    await using others = await temporaryDirectory();
    const bare = code.replace(
      /^  mount: [^]*$/m,
      '  close: async (share) => share[Symbol.asyncDispose](),\n});',
    );
    await writePlugin(others.path, { id: 'y', code: bare });
    await using other = await openTestHost({ config: { plugin_dirs: [others.path] } });
    const plain = await other.host.sandboxes.create(request('b', { tag: 'work', sharedFs: 'fs-y' }));
    for (const [hook, call] of [
      ['mount', plain.mount('work', mount)],
      ['unmount', plain.unmount('work', '/x')],
    ] as const) {
      await assert.rejects(call, {
        code: Code.Unimplemented,
        message: `Plugin "io.containerd.fsshare.v1.y" implements no "${hook}"`,
      });
    }
  });
});
