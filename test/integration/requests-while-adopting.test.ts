import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { fixture } from '../harness/fixtures.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { startServe } from '../harness/serve-process.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

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
});
