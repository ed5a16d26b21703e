import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { readForeign } from '../../src/foreign/read.ts';
import { statForeign } from '../../src/foreign/stat.ts';
import { hungPaths } from '../../src/foreign/touch-in-child.ts';
import { eventually } from '../harness/eventually.ts';
import { hungFileSystem } from '../harness/hung-file-system.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

describe('touchInChild()', () => {
  test('is given up in time, and refused at once while the same path hangs', async () => {
    await using hung = await hungFileSystem();
    const path = `${hung.path}/a`;
    await assert.rejects(statForeign(path, { timeoutMs: 500 }), {
      name: 'StatusError',
      code: Code.DeadlineExceeded,
      message:
        `"${path}" does not answer within 500 ms: its file system (fuse on "${hung.path}") hangs: ` +
        'check its server, or unmount it',
    });
    await eventually('the server was asked', () => hung.requests > 0);
    const { requests } = hung;
    assert.deepEqual(hungPaths(), [path]);
    await assert.rejects(statForeign(path), { code: Code.Unavailable, message: /still does not answer/ });
    assert.equal(hung.requests, requests);
    await hung[Symbol.asyncDispose]();
    await eventually('nothing hangs any more', () => hungPaths().length === 0);
  });

  test('starts no more processes on a mount where eight hang, and leaves the threads of libuv to others', async () => {
    await using hung = await hungFileSystem();
    const touches = Array.from({ length: 12 }, (_, index) =>
      readForeign(`${hung.path}/${index}`, { timeoutMs: 500 }),
    );
    await Promise.allSettled(touches);
    await using directory = await temporaryDirectory();
    assert.equal((await stat(directory.path)).isDirectory(), true);
    await assert.rejects(readForeign(`${hung.path}/more`), {
      code: Code.Unavailable,
      message: /\(12 paths hang\)$/,
    });
    await hung[Symbol.asyncDispose]();
    await eventually('nothing hangs any more', () => hungPaths().length === 0);
  });

  test("rejects with the signal's reason", async () => {
    await using hung = await hungFileSystem();
    const controller = new AbortController();
    const waiting = statForeign(hung.path, { signal: controller.signal, timeoutMs: 600_000 });
    controller.abort(new Error('enough'));
    await assert.rejects(waiting, { message: 'enough' });
    await hung[Symbol.asyncDispose]();
    await eventually('nothing hangs any more', () => hungPaths().length === 0);
  });
});
