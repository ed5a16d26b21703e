import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { Controller } from '../../src/proto/containerd/sandbox-controller_pb.ts';
import { connectGrpc } from '../harness/containerd/grpc.ts';
import { fixture } from '../harness/fixtures.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { startServe } from '../harness/serve-process.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { manifestOf, writePlugin } from '../harness/test-plugin.ts';

const SHARES = 60;
const idOf = (index: number): string => `sb-${String(index).padStart(3, '0')}`;

describe('a host that is adopting many shares', () => {
  test('keeps calls waiting that come as soon as it listens, and fails none', async () => {
    await using directory = await temporaryDirectory();
    const source = join(directory.path, 'source');
    await mkdir(source);
    const options = { daemon: fixture('waits') };
    await using former = await startServe(directory.path, options);
    const ids = Array.from({ length: SHARES }, (_, index) => idOf(index));
    const opened = await Promise.all(
      ids.map(async (sandboxId) => (await former.shares.open({ sandboxId, tag: 'work', source })).share),
    );
    const pids = opened.map((share) => share?.pid);
    await former.end('SIGKILL');

    await using host = await startServe(directory.path, options);
    const [last, middle] = [idOf(SHARES - 1), idOf(SHARES / 2)];
    const [listed, got, closed, added, again] = await Promise.all([
      host.shares.list({}),
      host.shares.get({ sandboxId: last, tag: 'work' }),
      host.shares.close({ sandboxId: middle, tag: 'work' }),
      host.shares.open({ sandboxId: last, tag: 'more', source }),
      host.shares.open({ sandboxId: last, tag: 'work', source }).catch((error: unknown) => error),
    ]);
    assert.deepEqual(
      listed.shares.map(({ pid, adopted }) => [pid, adopted]),
      pids.map((pid) => [pid, true]),
    );
    assert.deepEqual([got.share?.pid, got.share?.adopted], [pids.at(-1), true]);
    assert.equal(closed.closed, 1);
    assert.deepEqual([added.share?.tag, added.share?.adopted], ['more', false]);
    assert.equal((again as { code?: Code }).code, Code.AlreadyExists);
    assert.equal(isGone(pids[SHARES / 2] ?? 0), true);

    await Promise.all(ids.map((sandboxId) => host.shares.close({ sandboxId })));
    assert.deepEqual(
      pids.filter((pid) => !isGone(pid ?? 0)),
      [],
    );
    assert.deepEqual(await leftovers(join(directory.path, 'state')), []);
  });

  test('opens shares of other sandboxes meanwhile, and creates pods', async () => {
    await using directory = await temporaryDirectory();
    const [plugins, go] = [join(directory.path, 'plugins'), join(directory.path, 'go')];
    await writePlugin(plugins, {
      id: 'slow',
      manifest: `${manifestOf('slow')}"sandbox.adopt" = "adopt"`,
      code: `import { existsSync } from 'node:fs';
export const create = () => ({
  open() {},
  close() {},
  async adopt() {
    while (!existsSync(${JSON.stringify(go)})) await new Promise((resolve) => setTimeout(resolve, 5));
    throw new Error('This one is not adopted');
  },
});`,
    });
    const options = { daemon: fixture('waits'), pluginDirs: [plugins], top: '[grpc]' };
    await using former = await startServe(directory.path, options);
    const { share: slow } = await former.shares.open({ sandboxId: 'slow', tag: 'work' });
    await former.end('SIGKILL');
    const file = join(directory.path, 'state/sandboxes/default/slow/work/share.json');
    const record = JSON.parse(readFileSync(file, 'utf8')) as object;
    writeFileSync(file, JSON.stringify({ ...record, provider: 'fs-slow' }));
    try {
      await using host = await startServe(directory.path, options);
      let isListed = false;
      const listed = host.shares.list({}).then(({ shares }) => {
        isListed = true;
        return shares.map(({ sandboxId }) => sandboxId);
      });
      const { share } = await host.shares.open({ sandboxId: 'other', tag: 'work' });
      using grpc = connectGrpc(join(directory.path, 'state/grpc.sock'));
      const { create, status, shutdown } = Controller.method;
      await grpc.unary(create, { sandboxId: 'pod', sandbox: { sandboxId: 'pod' } });
      const known = grpc.unary(status, { sandboxId: 'pod' });
      assert.deepEqual([share?.adopted, isListed], [false, false]);
      writeFileSync(go, '');
      assert.deepEqual(await listed, ['other']);
      assert.equal((await known).state, 'SANDBOX_READY');
      await grpc.unary(shutdown, { sandboxId: 'pod' });
      await host.shares.close({ sandboxId: 'other' });
      assert.equal(isGone(share?.pid ?? 0), true);
    } finally {
      process.kill(slow?.pid ?? 0, 'SIGKILL');
    }
  });
});
