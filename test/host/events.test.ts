import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ShareEvent } from '../../src/host/events.ts';
import type { Host } from '../../src/host/host.ts';
import { sandboxRequest } from '../harness/sandbox-request.ts';
import { unhurried } from '../harness/share-client.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { openTestHost } from '../harness/test-host.ts';
import { writePlugin } from '../harness/test-plugin.ts';

const texts = (events: readonly ShareEvent[]): string[] =>
  unhurried(events.map(({ type, share }) => `${type} ${share.tag} ${share.exit?.cause ?? share.state}`));

function listen({ events }: Host): ShareEvent[] {
  const seen: ShareEvent[] = [];
  events.subscribe((event) => void seen.push(event));
  return seen;
}

describe('host.events', () => {
  test('tells of each share of a sandbox in turn, whoever opens and closes it', async () => {
    await using own = await openTestHost();
    const seen = listen(own.host);
    const sandbox = await own.host.sandboxes.create(sandboxRequest('sb', { tag: 'one' }));
    await sandbox.shares[0]?.ready;
    await using share = await own.host.openShare({ sandboxId: 'sb', tag: 'two' });
    await share.ready;
    await share[Symbol.asyncDispose]();
    await own.host.sandboxes.delete('default', 'sb');
    assert.deepEqual(texts(seen), [
      'opened one starting',
      'changed one waiting',
      'opened two starting',
      'changed two waiting',
      'changed two stopping',
      'changed two stopped',
      'closed two stopped',
      'changed one stopping',
      'changed one stopped',
      'closed one stopped',
    ]);
    const { namespace, sandboxId, owner, adopted, sharedFs } = seen[0]?.share ?? {};
    assert.deepEqual(
      [namespace, sandboxId, owner, adopted, sharedFs],
      ['default', 'sb', 'shim', false, 'virtio-fs'],
    );
  });

  test('tells nothing of a share that cannot be opened', async () => {
    await using own = await openTestHost();
    const seen = listen(own.host);
    await assert.rejects(own.host.openShare({ sandboxId: 'sb', tag: 'x', source: '/nonexistent' }));
    assert.deepEqual(seen, []);
  });

  test('goes on where a listener throws, and says so in the log', async () => {
    await using own = await openTestHost();
    const { host, captured } = own;
    host.events.subscribe(() => {
      throw new Error('no');
    });
    const seen = listen(host);
    await using share = await host.openShare({ sandboxId: 'sb', tag: 'x' });
    await share.ready;
    assert.deepEqual(texts(seen), ['opened x starting', 'changed x waiting']);
    assert.equal(captured.withMessage("A listener to the host's events failed").length, seen.length);
  });

  test('tells nothing after disposal', async () => {
    await using own = await openTestHost();
    const seen: ShareEvent[] = [];
    const subscription = own.host.events.subscribe((event) => {
      seen.push(event);
      subscription[Symbol.dispose]();
    });
    await using share = await own.host.openShare({ sandboxId: 'sb', tag: 'x' });
    await share.ready;
    assert.deepEqual(
      seen.map(({ type }) => type),
      ['opened'],
    );
  });

  test("tells of a plugin's share without onChange that it was opened, is ready and has ended", async () => {
    await using plugins = await temporaryDirectory();
    const code = `
      export const create = () => ({
        async open({ tag }) {
          let state = 'starting';
          const { promise: closed, resolve } = Promise.withResolvers();
          const ready = new Promise((done) => setImmediate(() => { state = 'waiting'; done(); }));
          return {
            tag, socketPath: '/s', sharedDir: '/d', queueSize: 1, pid: 1, ready, closed,
            status: () => ({ tag, state, pid: 1, lastLines: [] }),
            end: () => resolve({ reason: 'stopped', uptimeMs: 1, lastLines: [] }),
          };
        },
        close: async (share) => share.end(),
      });`;
    await writePlugin(plugins.path, { id: 'plain', code });
    await using own = await openTestHost({ config: { plugin_dirs: [plugins.path] } });
    const seen = listen(own.host);
    const request = sandboxRequest('sb', { tag: 'work', sharedFs: 'fs-plain' });
    const sandbox = await own.host.sandboxes.create(request);
    await sandbox.shares[0]?.ready;
    await own.host.sandboxes.delete('default', 'sb');
    assert.deepEqual(texts(seen), [
      'opened work starting',
      'changed work waiting',
      'changed work stopped',
      'closed work stopped',
    ]);
  });
});
