import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import type { Share } from '../../src/share/contract.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { lockHolder } from '../harness/lock-holder.ts';
import { sandboxRequest as request } from '../harness/sandbox-request.ts';
import { openTestHost } from '../harness/test-host.ts';
import { writePlugin } from '../harness/test-plugin.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

describe('Host', () => {
  test('closes every sandbox when it is disposed of, and one that cannot be closed keeps no other', async () => {
    let pids: number[];
    await using around = await temporaryDirectory();
    {
      await using own = await openTestHost({ config: { state: join(around.path, 'state') } });
      const sandboxes = await Promise.all(
        ['a', 'b'].map((id) => own.host.sandboxes.create(request(id, { tag: 'x' }))),
      );
      pids = sandboxes.flatMap(({ shares }) => shares.map(({ pid }) => pid));
    }
    assert.deepEqual(pids.map(isGone), [true, true]);
    assert.deepEqual(await leftovers(join(around.path, 'state')), []);
    assert.deepEqual(await readdir(join(around.path, 'state', 's')), []);
  });

  test('has ended for all who dispose of it when it has ended for one', async () => {
    await using around = await temporaryDirectory();
    const own = await openTestHost({ config: { state: join(around.path, 'state') } });
    await own.host.openShare({ sandboxId: 'a', tag: 'x' });
    const { host } = own;
    const ends = [1, 2].map(async () => {
      await host[Symbol.asyncDispose]();
      return lockHolder(host.stateDir.host.lock);
    });
    assert.deepEqual(await Promise.all(ends), [undefined, undefined]);
    await own[Symbol.asyncDispose]();
  });

  test('refuses a state directory that another host has', async () => {
    await using own = await openTestHost();
    await assert.rejects(openTestHost({ config: { state: own.state } }), {
      code: Code.FailedPrecondition,
      message: /^Another host uses ".*host.lock": end it, or give this one a state directory of its own$/,
    });
  });

  test('detach() leaves the shares alive and undoes what is being created', async () => {
    await using own = await openTestHost({ daemon: 'never-ready' });
    const { sandboxes } = own.host;
    const alive = await Promise.all(['a', 'b'].map((id) => sandboxes.create(request(id, { tag: 'x' }))));
    const before = await leftovers(own.state);
    const unfinished = assert.rejects(sandboxes.create(request('c', { tag: 'x' })), {
      code: Code.Unavailable,
      message: /^(Cannot start share "x": )?The host is ending$/,
    });
    await own.host.detach();
    await unfinished;
    assert.deepEqual(await leftovers(own.state), before);
    for (const { shares } of alive) assert.equal(isGone(shares[0]?.pid ?? 0), false);
  });

  test('detach() waits until a creation is undone, however long its plugin takes', async () => {
    await using plugins = await temporaryDirectory();
    const code = `
      export const undone = [];
      export const begun = Promise.withResolvers();
      const open = async ({ sandboxId }, { signal }) => {
        begun.resolve();
        await new Promise((resolve) => signal.addEventListener('abort', () => setTimeout(resolve, 100)));
        undone.push(sandboxId);
        signal.throwIfAborted();
      };
      export const create = () => ({ open, close: async () => {} });`;
    const manifest = await writePlugin(plugins.path, { id: 'slow', code });
    await using own = await openTestHost({ config: { plugin_dirs: [plugins.path] } });
    const creating = own.host.sandboxes.create(request('a', { tag: 'x', sharedFs: 'fs-slow' }));
    const canceled = assert.rejects(creating, { message: 'The host is ending' });
    const module = (await import(manifest.replace('plugin.toml', 'plugin.mjs'))) as {
      undone: string[];
      begun: PromiseWithResolvers<void>;
    };
    await module.begun.promise;
    await own.host.detach();
    assert.deepEqual(module.undone, ['a']);
    await canceled;
  });

  test('openShare() opens one share for the library, which closes with it', async () => {
    await using own = await openTestHost();
    {
      await using share = await own.host.openShare({ sandboxId: 'mine', tag: 'x', source: own.source });
      await share.ready;
      assert.equal(existsSync(share.socketPath), true);
      const record = join(own.state, 'sandboxes/default/mine/x/share.json');
      assert.match(await readFile(record, 'utf8'), /^ "owner": "library",$/m);
    }
    assert.deepEqual(await leftovers(own.state), []);
    assert.equal(own.host.sandboxes.size, 0);
  });

  test('openShare() joins the sandbox of that id, which goes with the last of its shares', async () => {
    await using own = await openTestHost();
    const { host } = own;
    const [one, two] = await Promise.all(
      ['one', 'two'].map((tag) => host.openShare({ sandboxId: 'mine', tag })),
    );
    assert.ok(one && two);
    assert.equal(host.sandboxes.size, 1);
    assert.equal(host.sandboxes.get('default', 'mine').shares.length, 2);
    await one[Symbol.asyncDispose]();
    assert.equal(isGone(one.pid), true);
    assert.equal(isGone(two.pid), false);
    await assert.rejects(host.openShare({ sandboxId: 'mine', tag: 'two' }), { code: Code.AlreadyExists });
    const closing = two[Symbol.asyncDispose]();
    const next = await host.openShare({ sandboxId: 'mine', tag: 'three' });
    await closing;
    assert.equal(isGone(next.pid), false);
    await next[Symbol.asyncDispose]();
    await next[Symbol.asyncDispose]();
    assert.equal(host.sandboxes.size, 0);
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('openShare() opens a share whenever it comes while the last one goes', async () => {
    await using own = await openTestHost();
    const { host } = own;
    let last = await host.openShare({ sandboxId: 'mine', tag: '0' });
    // Each time a turn of the microtasks later: somewhere there the sandbox goes.
    for (let turns = 1; turns <= 40; turns++) {
      const { promise: next, resolve } = Promise.withResolvers<Share>();
      const listening = host.events.subscribe(({ type }) => {
        if (type !== 'closed') return;
        listening[Symbol.dispose]();
        resolve(openLater(turns));
      });
      const openLater = async (count: number): Promise<Share> => {
        // oxlint-disable-next-line no-await-in-loop -- that many
        for (let turn = 0; turn < count; turn++) await Promise.resolve();
        return host.openShare({ sandboxId: 'mine', tag: `${count}` });
      };
      // oxlint-disable-next-line no-await-in-loop
      await last[Symbol.asyncDispose]();
      // oxlint-disable-next-line no-await-in-loop
      last = await next;
      assert.equal(isGone(last.pid), false);
    }
    await last[Symbol.asyncDispose]();
    assert.equal(host.sandboxes.size, 0);
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('openShare() joins a sandbox of others and leaves it in place', async () => {
    await using own = await openTestHost();
    const sandbox = await own.host.sandboxes.create(request('theirs', { tag: 'x' }));
    await (await own.host.openShare({ sandboxId: 'theirs', tag: 'mine' }))[Symbol.asyncDispose]();
    assert.equal(sandbox.exit, undefined);
    assert.deepEqual(
      sandbox.shares.map(({ tag }) => tag),
      ['x'],
    );
  });

  test('openShare() rejects when the signal is already aborted', async () => {
    await using own = await openTestHost();
    const signal = AbortSignal.abort(new Error('too late'));
    await assert.rejects(own.host.openShare({ sandboxId: 'mine', tag: 'x' }, { signal }), {
      message: 'too late',
    });
    assert.deepEqual(await leftovers(own.state), []);
  });
});
