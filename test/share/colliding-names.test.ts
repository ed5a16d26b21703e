import assert from 'node:assert/strict';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { eventually } from '../harness/eventually.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { openTestHost } from '../harness/test-host.ts';

/** What the state directory has of its own, and names that would leave a directory or hide in it. */
const TAGS = [
  '.data',
  'deleted',
  'share.json',
  'share.json.new',
  'sandbox.json',
  'sandbox.json.new',
  'sandbox.json.begun',
  'daemon.log',
  's',
  '...',
  '%2E%2E',
  '../..',
  '-rf',
  '*',
];
const IDS = ['sandboxes', 'deletions', 'shared', 'trash', 's', 'host.lock', 'deleted', 'default', 'data'];

describe('names of users', () => {
  test('are apart from ours: every tag opens, and goes without the others', async () => {
    await using own = await openTestHost();
    const shares = await Promise.all(TAGS.map((tag) => own.host.openShare({ sandboxId: 'a', tag })));
    for (const [index, share] of shares.entries()) {
      assert.equal(share.tag, TAGS[index]);
      // oxlint-disable-next-line no-await-in-loop -- the others are to stay
      await share[Symbol.asyncDispose]();
      assert.deepEqual(
        shares.map(({ pid }) => isGone(pid)),
        TAGS.map((_, other) => other <= index),
      );
    }
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('are apart from ours: every sandbox and namespace is made, and one that is marked goes alone', async () => {
    await using own = await openTestHost();
    const { stateDir } = own.host;
    const names = IDS.flatMap((namespace) => IDS.map((sandboxId) => ({ namespace, sandboxId })));
    await Promise.all(
      names.map((name) => own.host.sandboxes.create({ ...name, owner: 'shim', contents: { shares: [] } })),
    );
    const sandbox = own.host.sandboxes.get('deletions', 'sandboxes');
    const share = await sandbox.openShare({ tag: 'share.json' });
    const neighbour = await own.host.sandboxes.get('sandboxes', 'deletions').openShare({ tag: 'share.json' });
    const mark = stateDir.deletion('deletions', 'sandboxes');
    writeFileSync(mark, '');
    await eventually('the mark is gone', () => !existsSync(mark));
    assert.equal(isGone(share.pid), true);
    assert.equal(isGone(neighbour.pid), false);
    assert.equal(own.host.sandboxes.size, names.length - 1);
    assert.deepEqual(readdirSync(stateDir.deletionDirectory), []);
  });
});
