import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { MountedImage } from '../../../plugin/nydus/images.ts';
import { digestOf, listRecorded } from '../../../plugin/nydus/same-image.ts';
import { buildImage } from '../../harness/nydus/image.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { obtainOrSkip } from '../../setup/obtain.ts';

const { skip } = await obtainOrSkip('nydus');

describe('listRecorded()', { skip }, () => {
  test('lists what is mounted by what is on record of it and by its blobs, as far as they are known', async () => {
    await using directory = await temporaryDirectory();
    const { bootstrap: source, blobId } = await buildImage(directory.path, { f: 'of the image\n' });
    const backend = { type: 'registry', config: { host: '127.0.0.1:5000', repo: 'app' } };
    const config = JSON.stringify({ device: { backend } });
    const missing = join(directory.path, 'missing');
    const mountedAt = '2026-11-26T00:00:00.000Z';
    const listed: [string, MountedImage][] = [];
    const images = {
      add(mountpoint: string, image: MountedImage): () => void {
        listed.push([mountpoint, image]);
        return () => {};
      },
    };
    await listRecorded(images, {
      mounts: [
        { source, mountpoint: '/known', mountedAt, recipe: { source, config } },
        { source, mountpoint: '/secret', mountedAt },
        { source: missing, mountpoint: '/removed', mountedAt, recipe: { source: missing, config } },
        { source, mountpoint: '/pending', mountedAt, isPending: true },
        { source, mountpoint: '/failed', mountedAt, problem: 'no such image', recipe: { source, config } },
      ],
    });
    const registry = '127.0.0.1:5000';
    assert.deepEqual(Object.fromEntries(listed), {
      '/known': { source, madeOf: digestOf(source, config), blobIds: [blobId], registry },
      '/secret': { source, madeOf: undefined, blobIds: [blobId], registry: undefined },
      '/removed': { source: missing, madeOf: digestOf(missing, config), blobIds: [], registry },
    });
  });
});
