import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { carryOutDeletions } from '../../src/host/deletions.ts';
import { eventually } from '../harness/eventually.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { sandboxRequest as request } from '../harness/sandbox-request.ts';
import { openTestHost } from '../harness/test-host.ts';

describe('carryOutDeletions()', () => {
  test('deletes a sandbox that is marked, forgets it, and removes the mark', async () => {
    await using own = await openTestHost();
    const { sandboxes, stateDir } = own.host;
    const { shares } = await sandboxes.create(request('a', { tag: 'x' }));
    await sandboxes.create(request('b', { tag: 'x' }));
    const mark = stateDir.deletion('default', 'a');
    writeFileSync(mark, '');
    await eventually('the mark is gone', () => !existsSync(mark));
    assert.equal(isGone(shares[0]?.pid ?? 0), true);
    assert.deepEqual(
      sandboxes.list().map(({ sandboxId }) => sandboxId),
      ['b'],
    );
    assert.equal(existsSync(stateDir.sandboxDirectory('default', 'a')), false);
  });

  test('sees to marks that are older than the host, and to those of no sandbox', async () => {
    await using own = await openTestHost();
    const { sandboxes, stateDir, containers, adopted, log } = own.host;
    const mark = stateDir.deletion('default', 'unknown');
    writeFileSync(mark, '');
    using _ = carryOutDeletions({ sandboxes, stateDir, containers, adopted, log });
    await eventually('the mark is gone', () => !existsSync(mark));
  });

  test('writes into the mark why it cannot, and tries again when it is emptied', async () => {
    await using own = await openTestHost();
    const { sandboxes, stateDir } = own.host;
    const { shares } = await sandboxes.create(request('a', { tag: 'x' }));
    const mountpoint = join(shares[0]?.sharedDir ?? '', 'mounted');
    mkdirSync(mountpoint);
    await execa('mount', ['-t', 'tmpfs', 'csv-test', mountpoint]);
    const mark = stateDir.deletion('default', 'a');
    try {
      writeFileSync(mark, '');
      await eventually('the mark tells why', () => readFileSync(mark, 'utf8').length > 0);
      assert.equal(
        readFileSync(mark, 'utf8'),
        `Cannot remove "${shares[0]?.sharedDir}": "${mountpoint}" is still mounted; unmount it first\n`,
      );
    } finally {
      await execa('umount', [mountpoint]);
    }
    writeFileSync(mark, '');
    await eventually('the mark is gone', () => !existsSync(mark));
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('never reaches the next sandbox of that id: what is marked goes before it is made', async () => {
    await using own = await openTestHost();
    const { sandboxes, stateDir } = own.host;
    const former = await sandboxes.create(request('a', { tag: 'x' }));
    const mark = stateDir.deletion('default', 'a');
    writeFileSync(mark, '');
    // In the same turn of the event loop: nobody has seen the mark yet.
    const next = await sandboxes.create(request('a', { tag: 'x' }));
    assert.equal(isGone(former.shares[0]?.pid ?? 0), true);
    await eventually('the mark is gone', () => !existsSync(mark));
    assert.equal(sandboxes.get('default', 'a'), next);
    assert.equal(isGone(next.shares[0]?.pid ?? 0), false);
    rmSync(mark, { force: true });
  });
});
