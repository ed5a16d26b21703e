import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { sandboxRequest } from '../harness/sandbox-request.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { openTestHost, type TestHost } from '../harness/test-host.ts';
import { writePlugin } from '../harness/test-plugin.ts';

const NAME = 'io.containerd.fsshare.v1.odd';

/** A host with a plugin `odd` whose shares differ from right ones in these members. */
async function oddHost(members: string): Promise<TestHost> {
  await using stack = new AsyncDisposableStack();
  const plugins = stack.use(await temporaryDirectory());
  const code = `
    globalThis.closed = [];
    const end = { cause: 'stopped', message: 'm', exitedAt: new Date(0), uptimeMs: 1, lastLines: [] };
    export const create = () => ({
      open: async ({ tag }) => ({
        tag, socketPath: '/s', sharedDir: '/d', queueSize: 1, pid: 1,
        ready: Promise.resolve(), closed: new Promise(() => {}),
        status: () => ({ tag, state: 'waiting', pid: 1, lastLines: [] }),
        [Symbol.asyncDispose]: async () => {}, ...${members}
      }),
      close: async ({ tag }) => void globalThis.closed.push(tag),
    });`;
  await writePlugin(plugins.path, { id: 'odd', code });
  const host = stack.use(await openTestHost({ config: { plugin_dirs: [plugins.path] } }));
  const own = stack.move();
  return { ...host, [Symbol.asyncDispose]: () => own.disposeAsync() };
}

const request = (sandboxId: string): ReturnType<typeof sandboxRequest> =>
  sandboxRequest(sandboxId, { tag: 'work', sharedFs: 'fs-odd' });
const closed = (): string[] => (globalThis as unknown as { closed: string[] }).closed;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a host whose plugin returns what is no share', () => {
  for (const [members, problem] of [
    ["{ tag: 'other' }", 'tag: "other" is another one'],
    ['{ queueSize: undefined }', 'queueSize: expected a positive integer'],
    ['{ pid: -1 }', 'pid: expected a positive integer'],
    ["{ socketPath: 'relative' }", 'socketPath: expected an absolute path'],
    ['{ ready: undefined }', 'ready: expected a promise'],
    ['{ closed: 7 }', 'closed: expected a promise'],
    ['{ status: {} }', 'status: expected a function'],
  ] as const) {
    test(`names plugin and member for ${members}, closes it, and goes on`, async () => {
      await using own = await oddHost(members);
      const { sandboxes } = own.host;
      await assert.rejects(
        sandboxes.create(request('a')),
        ({ code, message }: { code: Code; message: string }) => {
          const begin = `What plugin "${NAME}" opened as share "work" is no share: `;
          assert.deepEqual([code, message.slice(0, begin.length)], [Code.Internal, begin]);
          if (typeof problem === 'string') assert.equal(message.slice(begin.length), problem);
          else assert.match(message.slice(begin.length), problem);
          return true;
        },
      );
      assert.equal(closed().length, 1);
      assert.equal(sandboxes.size, 0);
      const { shares } = await sandboxes.create(sandboxRequest('b', { tag: 'work' }));
      assert.equal(shares.length, 1);
    });
  }

  for (const nothing of ['undefined', 'null', '"text"', '[]']) {
    test(`says so for ${nothing}`, async () => {
      await using plugins = await temporaryDirectory();
      const code = `export const create = () => ({ open: async () => (${nothing}), close: async ({ tag }) => tag });`;
      await writePlugin(plugins.path, { id: 'odd', code });
      await using own = await openTestHost({ config: { plugin_dirs: [plugins.path] } });
      await assert.rejects(own.host.sandboxes.create(request('a')), {
        code: Code.Internal,
        message: new RegExp(`^What plugin "${NAME}" opened as share "work" is no share: `),
      });
    });
  }
});

describe("a host whose plugin's share", () => {
  for (const [what, members, line] of [
    ['rejects its end', "{ closed: Promise.reject(new Error('no')) }", 'failed: no'],
    ['rejects its end with nothing', '{ closed: Promise.reject() }', 'failed: undefined'],
    ['ends without saying how', '{ closed: Promise.resolve() }', 'ended without saying how'],
    [
      'ends in no known way',
      "{ closed: Promise.resolve({ ...end, cause: 'odd' }) }",
      'ended without saying how',
    ],
  ] as const) {
    test(`${what}: that sandbox ends as failed, and the log names the plugin`, async () => {
      await using own = await oddHost(members);
      const sandbox = await own.host.sandboxes.create(request('a'));
      const { exitStatus, failed } = await sandbox.ended;
      const text = `What plugin "${NAME}" opened as share "work" ${line}`;
      assert.deepEqual([exitStatus, failed?.tag, failed?.exit.lastLines], [255, 'work', [text]]);
      const [logged] = own.captured.withMessage(text);
      assert.deepEqual([logged?.level, logged?.['plugin'], logged?.['sandbox']], ['error', NAME, 'a']);
    });
  }

  test('says more of its end than a host reads: all of it is passed on', async () => {
    await using own = await oddHost(
      "{ closed: Promise.resolve({ ...end, cause: 'failed', workerSignal: 'SIGBUS' }) }",
    );
    const { failed } = await (await own.host.sandboxes.create(request('a'))).ended;
    const end = { cause: 'failed', message: 'm', exitedAt: new Date(0), uptimeMs: 1, lastLines: [] };
    assert.deepEqual(failed?.exit, { ...end, workerSignal: 'SIGBUS' });
  });

  test('is never ready, and nobody asks: no rejection is without an owner', async () => {
    await using own = await oddHost("{ ready: Promise.reject(new Error('never')) }");
    const { shares } = await own.host.sandboxes.create(request('a'));
    await turn();
    await assert.rejects(shares[0]?.ready ?? Promise.resolve(), { message: 'never' });
  });

  for (const [what, members, problem] of [
    ['throws', "{ status() { throw new Error('no'); } }", 'no'],
    [
      'tells no state',
      "{ status: () => ({ state: 'odd', lastLines: [] }) }",
      'state: Invalid option: expected one of "starting"|"waiting"|"connected"|"stopping"|"exited"',
    ],
    [
      'tells no lines',
      "{ status: () => ({ state: 'waiting' }) }",
      'lastLines: Invalid input: expected array, received undefined',
    ],
  ] as const)
    test(`${what} when it is asked for its status: the status says so`, async () => {
      await using own = await oddHost(members);
      const { shares } = await own.host.sandboxes.create(request('a'));
      assert.deepEqual(shares[0]?.status(), {
        tag: 'work',
        socketPath: '/s',
        sharedDir: '/d',
        queueSize: 1,
        pid: 1,
        state: 'waiting',
        lastLines: [`What plugin "${NAME}" opened as share "work" cannot say its status: ${problem}`],
      });
    });
});
