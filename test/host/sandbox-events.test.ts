import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Host } from '../../src/host/host.ts';
import { sandboxRequest } from '../harness/sandbox-request.ts';
import { openTestHost } from '../harness/test-host.ts';

function listen({ sandboxEvents }: Host): string[] {
  const seen: string[] = [];
  sandboxEvents.subscribe(
    ({ type, sandbox }) => void seen.push(`${type} ${sandbox.sandboxId} ${sandbox.exit?.cause ?? ''}`.trim()),
  );
  return seen;
}

describe('host.sandboxEvents', () => {
  test('tells of a sandbox in turn, whoever makes and ends it', async () => {
    await using own = await openTestHost();
    const seen = listen(own.host);
    const sandbox = await own.host.sandboxes.create(sandboxRequest('one', { tag: 'work' }));
    await sandbox[Symbol.asyncDispose]();
    await own.host.sandboxes.delete('default', 'one');
    await own.host.sandboxes.delete('default', 'one');
    const share = await own.host.openShare({ sandboxId: 'two', tag: 'work' });
    await share[Symbol.asyncDispose]();
    assert.deepEqual(
      seen,
      ['one', 'two'].flatMap((id) => [`created ${id}`, `ended ${id} stopped`, `deleted ${id} stopped`]),
    );
  });

  test('tells nothing of one that cannot be made', async () => {
    await using own = await openTestHost();
    const seen = listen(own.host);
    const request = sandboxRequest('sb', { tag: 'x', source: '/nonexistent' });
    await assert.rejects(own.host.sandboxes.create(request));
    await own.host.sandboxes.delete('default', 'sb');
    assert.deepEqual(seen, []);
  });

  test('goes on where a listener throws, and says so in the log', async () => {
    await using own = await openTestHost();
    own.host.sandboxEvents.subscribe(() => {
      throw new Error('no');
    });
    const seen = listen(own.host);
    await own.host.sandboxes.create(sandboxRequest('sb', { tag: 'work' }));
    assert.deepEqual(seen, ['created sb']);
    const text = "A listener to the events of the host's sandboxes failed";
    assert.equal(own.captured.withMessage(text).length, 1);
  });
});
