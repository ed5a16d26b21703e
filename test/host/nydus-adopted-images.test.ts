import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { createApi } from '../../plugin/nydus/api-client.ts';
import type { MountRequest } from '../../src/share/contract.ts';
import { leftovers } from '../harness/leftovers.ts';
import { nydusNode, type NydusHost, type NydusNode } from '../harness/nydus/nydus-host.ts';
import { obtainOrSkip } from '../setup/obtain.ts';

const { skip } = await obtainOrSkip('nydus');
/** Nothing is read of its images, so nobody needs to be there. */
const registry = (password: string): object => ({
  type: 'registry',
  config: {
    scheme: 'http',
    host: '127.0.0.1:1',
    repo: 'app',
    auth: Buffer.from(`user:${password}`).toString('base64'),
  },
});
const AT = '/rafs/c1/lowerdir';

/** Another image than the one at its mountpoint. */
const another = async (node: NydusNode, at: MountRequest): Promise<MountRequest> => ({
  ...(await node.imageOf('another')),
  mountpoint: at.mountpoint,
});

/** What is on record of each mount. */
const recorded = (node: NydusNode): unknown[] =>
  node.record().mounts.map(({ mountpoint, source, recipe }) => [mountpoint, source, recipe?.source]);

const refused = ({ sandbox }: NydusHost, request: MountRequest): Promise<void> =>
  assert.rejects(sandbox.mount('work', request), {
    name: 'StatusError',
    code: Code.AlreadyExists,
    message: `Another image is mounted at "${request.mountpoint}": unmount it first`,
  });

// The real nydusd, which needs root.
describe('an image that a former host has mounted', { skip }, () => {
  test('is mounted once more without an error, and no other one in its place', async () => {
    await using node = await nydusNode();
    const former = await node.open();
    await former.share.ready;
    const image = await node.imageOf('c1');
    const { mountedAt } = await former.sandbox.mount('work', image);
    await former.host.detach();

    await using own = await node.open();
    const other = await another(node, image);
    await refused(own, other);
    await refused(own, { ...image, config: `${image.config} ` });
    assert.deepEqual((await own.sandbox.mount('work', image)).mountedAt, mountedAt);
    assert.deepEqual(recorded(node), [[AT, image.source, image.source]]);
    await own.sandbox.unmount('work', AT);
    assert.equal((await own.sandbox.mount('work', other)).source, other.source);
    assert.deepEqual(recorded(node), [[AT, other.source, other.source]]);
    await own.host.sandboxes.delete('default', 'a');
    assert.deepEqual(await leftovers(node.state), []);
  });

  test('is known by its bootstrap where its configuration held secrets', async () => {
    await using node = await nydusNode();
    const former = await node.open();
    await former.share.ready;
    const image = await node.imageOf('c1', registry('secret'));
    await former.sandbox.mount('work', image);
    await former.host.detach();

    await using own = await node.open();
    await refused(own, await another(node, image));
    // What has no secrets would be on record.
    await refused(own, await node.imageOf('c1'));
    // A token may have expired since.
    await own.sandbox.mount('work', await node.imageOf('c1', registry('newer')));
    assert.deepEqual(recorded(node), [[AT, image.source, undefined]]);
    assert.deepEqual(await own.mounted(), [AT]);
  });

  test('is not said to be there where it was unmounted, and another one was mounted since', async () => {
    await using node = await nydusNode();
    const former = await node.open();
    await former.share.ready;
    const image = await node.imageOf('c1');
    await former.sandbox.mount('work', image);
    await former.host.detach();
    // The host died before it had said so.
    await createApi(former.share.apiSocketPath ?? '').unmount(AT, {});

    await using own = await node.open();
    const other = await another(node, image);
    assert.equal((await own.sandbox.mount('work', other)).source, other.source);
    assert.deepEqual(
      own.sandbox.mounts('work').map(({ mountpoint, source }) => [mountpoint, source]),
      [[AT, other.source]],
    );
    assert.deepEqual(recorded(node), [[AT, other.source, other.source]]);
    await own.host.sandboxes.delete('default', 'a');
    assert.deepEqual(await leftovers(node.state), []);
  });
});
