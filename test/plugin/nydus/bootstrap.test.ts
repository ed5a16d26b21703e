import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { readImageData, UNKNOWN_DATA } from '../../../plugin/nydus/bootstrap.ts';
import { buildImage } from '../../harness/nydus/image.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { obtainOrSkip } from '../../setup/obtain.ts';

const { skip } = await obtainOrSkip('nydus');

// It builds images by the real nydus-image.
describe('readImageData()', { skip }, () => {
  test('tells the blobs of an image, and the bytes that they have', async () => {
    await using directory = await temporaryDirectory();
    const image = await buildImage(directory.path, { a: randomBytes(3_000_000), b: 'y'.repeat(1_000_000) });
    const { size } = statSync(join(image.blobs, image.blobId));
    assert.equal(size > 3_000_000, true, `${size} bytes`);
    assert.deepEqual(await readImageData(image.bootstrap, {}), { bytes: size, blobIds: [image.blobId] });
  });

  test('knows nothing of what is no image, is cut off or is not there', async () => {
    await using directory = await temporaryDirectory();
    const { bootstrap } = await buildImage(directory.path, { a: 'x' });
    const text = readFileSync(bootstrap);
    const file = join(directory.path, 'file');
    for (const content of ['', 'x'.repeat(8192), text.subarray(0, 1100), text.subarray(0, 1200)]) {
      writeFileSync(file, content);
      assert.equal(await readImageData(file, {}), UNKNOWN_DATA, `${content.length} bytes`);
    }
    for (const path of [join(directory.path, 'none'), directory.path])
      assert.equal(await readImageData(path, {}), UNKNOWN_DATA);
  });
});
