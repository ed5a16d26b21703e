import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { execa } from 'execa';
import { temporaryDirectory, type TemporaryDirectory } from '../harness/temporary-directory.ts';
import { acquireLock } from './lock.mjs';

describe('acquireLock()', () => {
  let directory: TemporaryDirectory;
  before(async () => {
    directory = await temporaryDirectory();
  });
  after(() => directory.remove());

  test('waits for the holder and says so once', async () => {
    const path = join(directory.path, 'waits');
    const release = await acquireLock(path);
    const events: string[] = [];
    const waiting = Promise.withResolvers<void>();
    const second = acquireLock(path, {
      onWait: () => {
        events.push('waits');
        waiting.resolve();
      },
    });
    await waiting.promise;
    events.push('releases');
    await release();
    await (
      await second
    )();
    assert.deepEqual(events, ['waits', 'releases']);
  });

  test('takes over the lock of a process that was killed', async () => {
    const path = join(directory.path, 'killed');
    const program = `
      import { acquireLock } from ${JSON.stringify(import.meta.resolve('./lock.mjs'))};
      await acquireLock(${JSON.stringify(path)});
      console.log('locked');`;
    const holder = execa(process.execPath, ['--input-type=module', '--eval', program], { reject: false });
    await once(holder.stdout, 'data');
    holder.kill('SIGKILL');
    const release = await acquireLock(path);
    await release();
    await holder;
  });

  test('rejects with the reason of the signal and leaves the lock to its holder', async () => {
    const path = join(directory.path, 'aborted');
    const release = await acquireLock(path);
    const controller = new AbortController();
    const second = acquireLock(path, { signal: controller.signal });
    controller.abort(new Error('enough'));
    await assert.rejects(second, { message: 'enough' });
    await release();
    await (
      await acquireLock(path)
    )();
  });

  test('rejects when the signal is already aborted', async () => {
    const signal = AbortSignal.abort(new Error('too late'));
    await assert.rejects(acquireLock(join(directory.path, 'late'), { signal }), { message: 'too late' });
  });
});
