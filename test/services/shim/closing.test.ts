import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code, connect, createClient } from 'ttrpc-ts';
import { Task } from '../../../src/proto/containerd/task_pb.ts';
import { writePlugin } from '../../harness/test-plugin.ts';
import { serveTestHost, type ServedHost } from '../../harness/test-host.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';

/** A host whose sandbox `sb` has a share that its plugin cannot close; `failure` is an expression. */
async function unclosable(failure: string): Promise<ServedHost> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const code = `
import { Code, StatusError } from 'containerd-shim-virtiofs/plugin';
const status = () => ({ tag: 'a', state: 'waiting', pid: process.pid });
export const create = () => ({
  open: async () => ({
    tag: 'a', socketPath: '/s', sharedDir: '/d', queueSize: 1, pid: process.pid, status,
    ready: Promise.resolve(), closed: new Promise(() => {}), [Symbol.asyncDispose]: async () => {},
  }),
  close: async () => { ${failure} },
});`;
  await writePlugin(path, { id: 'unclosable', code });
  const config = { plugin_dirs: [path], shares: [{ tag: 'a', shared_fs: 'fs-unclosable' }] };
  const own = stack.use(await serveTestHost({ config }));
  await own.client.createSandbox({ sandboxId: 'sb', bundlePath: join(path, 'none') });
  const owned = stack.move();
  return { ...own, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

describe('Closing of a sandbox', () => {
  for (const [failure, expected] of [
    ["throw new StatusError(Code.NotFound, 'it fails')", Code.FailedPrecondition],
    ["throw new StatusError(Code.Unavailable, 'it fails')", Code.FailedPrecondition],
    ["throw Object.assign(new Error('it fails'), { code: 'ENOENT' })", Code.FailedPrecondition],
    ["throw new StatusError(Code.DeadlineExceeded, 'it fails')", Code.DeadlineExceeded],
  ] as const) {
    test(`answers nothing that containerd takes for success after: ${failure}`, async () => {
      await using own = await unclosable(failure);
      const outcome = { code: expected, message: 'it fails' };
      await using transport = await connect({ path: own.address });
      const tasks = createClient(Task, transport);
      await assert.rejects(own.client.stopSandbox({ sandboxId: 'sb' }), outcome);
      await assert.rejects(own.client.shutdownSandbox({ sandboxId: 'sb' }), outcome);
      await assert.rejects(tasks.shutdown({ id: 'sb' }), outcome);
      assert.equal(own.host.sandboxes.size, 1);
    });
  }

  test('answers NotFound to the stop of a sandbox that is gone', async () => {
    await using own = await serveTestHost();
    await assert.rejects(own.client.stopSandbox({ sandboxId: 'sb' }), { code: Code.NotFound });
  });
});
