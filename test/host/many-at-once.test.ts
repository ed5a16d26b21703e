import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sandboxRequest } from '../harness/sandbox-request.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { openTestHost, type TestHost } from '../harness/test-host.ts';
import { writePlugin } from '../harness/test-plugin.ts';

const SANDBOXES = Array.from({ length: 12 }, (_, index) => `s${index}`);

/** In which turn of the event loop the plugin did something. */
interface Noted {
  readonly opened: number[];
  readonly closed: number[];
}

/** A plugin whose every step is as long as all steps of a turn together may be. */
const SLOW = `
  const noted = (globalThis.noted = { opened: [], closed: [] });
  let turn = 0;
  const count = () => { turn++; setImmediate(count).unref(); };
  count();
  const work = (turns) => {
    turns.push(turn);
    const end = performance.now() + 6;
    while (performance.now() < end);
  };
  export const create = () => ({
    open: async ({ tag }) => {
      work(noted.opened);
      return {
        tag, socketPath: '/s', sharedDir: '/d', queueSize: 1, pid: 1,
        ready: Promise.resolve(), closed: new Promise(() => {}),
        status: () => ({ tag, state: 'waiting', pid: 1, lastLines: [] }),
        [Symbol.asyncDispose]: async () => {},
      };
    },
    close: async () => work(noted.closed),
  });`;

async function slowHost(): Promise<TestHost & { readonly noted: Noted }> {
  await using stack = new AsyncDisposableStack();
  const plugins = stack.use(await temporaryDirectory());
  await writePlugin(plugins.path, { id: 'slow', code: SLOW });
  const host = stack.use(await openTestHost({ config: { plugin_dirs: [plugins.path] } }));
  const own = stack.move();
  const { noted } = globalThis as unknown as { noted: Noted };
  return { ...host, noted, [Symbol.asyncDispose]: () => own.disposeAsync() };
}

const differ = (turns: readonly number[]): void => {
  assert.equal(turns.length, SANDBOXES.length);
  assert.equal(new Set(turns).size, turns.length, `all in different turns: ${turns.join(' ')}`);
};

describe('a host that is asked for many sandboxes at the same time', () => {
  test('opens and closes each in a turn of the event loop of its own, where that takes long', async () => {
    await using own = await slowHost();
    const { sandboxes } = own.host;
    const created = SANDBOXES.map((id) =>
      sandboxes.create(sandboxRequest(id, { tag: 'work', sharedFs: 'fs-slow' })),
    );
    await Promise.all(created);
    differ(own.noted.opened);
    await Promise.all(SANDBOXES.map((id) => sandboxes.delete('default', id)));
    differ(own.noted.closed);
    assert.equal(sandboxes.size, 0);
  });

  test('opens and closes shares of one sandbox so, too', async () => {
    await using own = await slowHost();
    const open = (tag: string): ReturnType<typeof own.host.openShare> =>
      own.host.openShare({ sandboxId: 'one', tag, sharedFs: 'fs-slow', source: own.source });
    const shares = await Promise.all(SANDBOXES.map(open));
    differ(own.noted.opened);
    await Promise.all(shares.map((share) => share[Symbol.asyncDispose]()));
    differ(own.noted.closed);
    assert.equal(own.host.sandboxes.size, 0);
  });
});
