import assert from 'node:assert/strict';
import { SpanKind } from '@opentelemetry/api';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { eventually } from '../../harness/eventually.ts';
import { hungFileSystem } from '../../harness/hung-file-system.ts';
import { leftovers } from '../../harness/leftovers.ts';
import { memorySpans } from '../../harness/memory-spans.ts';
import { serveShares } from '../../harness/share-client.ts';

// Needs root.

const names = { sandboxId: 'sb', tag: 'work' };

describe('Mount, Unmount and ListMounts of the share service', () => {
  test('mount in a share, list by names, and unmount', async () => {
    await using own = await serveShares();
    const { client, source } = own;
    for (const tag of ['work', 'more']) await client.open({ sandboxId: 'sb', tag });
    await client.open({ namespace: 'other', ...names });
    const { mount } = await client.mount({ ...names, source, mountpoint: '/data', options: ['ro'] });
    assert.ok(mount?.mountedAt);
    const { mountedAt: _, ...rest } = mount;
    assert.deepEqual(rest, {
      $typeName: 'shimvirtiofs.share.v1.Mount',
      namespace: 'default',
      ...names,
      source,
      mountpoint: '/data',
      kind: 'bind',
      options: ['rbind', 'ro', 'rprivate'],
      problem: '',
    });
    await client.mount({ ...names, tag: 'more', source, mountpoint: '/data' });
    await client.mount({ namespace: 'other', ...names, source, mountpoint: '/data' });
    const list = async (filter: Parameters<typeof client.listMounts>[0]): Promise<string[]> =>
      (await client.listMounts(filter)).mounts.map(({ namespace, tag }) => `${namespace}/${tag}`);
    assert.deepEqual(await list({}), ['default/more', 'default/work', 'other/work']);
    assert.deepEqual(await list({ namespace: 'default', tag: 'work' }), ['default/work']);
    assert.deepEqual(await list({ sandboxId: 'none' }), []);
    const { guestMayHoldIt } = await client.unmount({ ...names, mountpoint: '/data' });
    assert.equal(guestMayHoldIt, false);
    assert.deepEqual(await list({}), ['default/more', 'other/work']);
    await client.close({ sandboxId: 'sb' });
    await client.close({ namespace: 'other', sandboxId: 'sb' });
    assert.deepEqual(await leftovers(own.state), []);
  });

  test('fail with the errors of the library', async () => {
    await using own = await serveShares();
    const { client, source } = own;
    await client.open({ ...names, tag: 'of-source', source });
    await client.open(names);
    const request = { ...names, source, mountpoint: '/data' };
    await assert.rejects(client.mount({ ...request, sandboxId: 'none' }), {
      code: Code.NotFound,
      message: 'No sandbox "none" in namespace "default"',
    });
    await assert.rejects(client.unmount({ ...request, tag: 'none' }), {
      code: Code.NotFound,
      message: 'Sandbox "sb" has no share "none"',
    });
    await assert.rejects(client.mount({ ...request, tag: 'of-source' }), {
      code: Code.FailedPrecondition,
      message: /^Share "of-source" serves ".*" itself/,
    });
    await assert.rejects(client.mount({ ...request, source: join(own.path, 'none') }), {
      code: Code.NotFound,
      message: /^Cannot mount ".*\/none" in share "work": ENOENT: /,
    });
    assert.deepEqual((await client.listMounts({})).mounts, []);
  });

  test('give up what their caller gave up, in a span of its own under that of the call', async () => {
    await using hung = await hungFileSystem();
    await using spans = await memorySpans();
    await using own = await serveShares();
    const { client, source } = own;
    await client.open(names);
    await client.mount({ ...names, source, mountpoint: '/data' });
    const call = spans
      .named('shimvirtiofs.share.v1.Shares/Mount')
      .find(({ kind }) => kind === SpanKind.SERVER);
    const span = spans.one('mount');
    assert.equal(span.spanContext().traceId, call?.spanContext().traceId);
    assert.equal(span.attributes['mount.source'], source);
    const mounting = client.mount({ ...names, source: hung.path, mountpoint: '/hung' }, { timeoutMs: 300 });
    await assert.rejects(mounting, { code: Code.DeadlineExceeded });
    await eventually('it is given up', () => spans.named('mount').length === 2);
    assert.equal((await client.listMounts({})).mounts.length, 1);
    await client.close(names);
    assert.deepEqual(await leftovers(own.state), []);
  });
});
