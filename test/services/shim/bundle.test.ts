import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { readShares } from '../../../src/services/shim/bundle.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';

const read = async (spec: string): Promise<unknown> => {
  await using bundle = await temporaryDirectory();
  await writeFile(join(bundle.path, 'config.json'), spec);
  return await readShares(bundle.path);
};

describe('readShares()', () => {
  test('makes a share of each mount of type virtiofs, its destination being the tag', async () => {
    const spec = {
      ociVersion: '1.2.0',
      process: { args: ['sh'] },
      mounts: [
        { type: 'virtiofs', source: '/srv/a', destination: 'a' },
        { type: 'proc', source: 'proc', destination: '/proc' },
        { destination: '/no/type' },
        { type: 'virtiofs', destination: 'b', options: ['ro', 'nosuid'] },
        { type: 'virtiofs', source: '', destination: 'c', options: ['rw', 'shared_fs=virtio-fs-frozen'] },
        { type: 'virtiofs', destination: 'd', options: ['road', 'shared_fs='] },
      ],
    };
    assert.deepEqual(await read(JSON.stringify(spec)), [
      { tag: 'a', source: '/srv/a', readOnly: false },
      { tag: 'b', readOnly: true },
      { tag: 'c', readOnly: false, sharedFs: 'virtio-fs-frozen' },
      { tag: 'd', readOnly: false },
    ]);
  });

  test('finds none in a spec without mounts', async () => {
    assert.deepEqual(await read('{"ociVersion":"1.2.0"}'), []);
    assert.deepEqual(await read('{"mounts":[]}'), []);
  });

  test('is undefined where there is no spec, as in bundles of CRI', async () => {
    await using bundle = await temporaryDirectory();
    assert.equal(await readShares(bundle.path), undefined);
    assert.equal(await readShares(join(bundle.path, 'missing')), undefined);
  });

  const mistakes: [what: string, spec: string, problem: RegExp][] = [
    ['broken JSON', '{"mounts": [', /JSON/],
    ['an empty file', '', /JSON/],
    ['a spec that is no object', '5', /expected object/],
    ['mounts that are no list', '{"mounts":{}}', /: mounts: .*expected array/],
    [
      'a mount without a destination',
      '{"mounts":[{"type":"virtiofs"}]}',
      /: mounts\.0\.destination: .*expected string/,
    ],
    [
      'options that are no texts',
      '{"mounts":[{"destination":"a","options":[1]}]}',
      /: mounts\.0\.options\.0: /,
    ],
  ];
  for (const [what, spec, problem] of mistakes) {
    test(`rejects ${what}, naming file and place`, async () => {
      await assert.rejects(read(spec), (error: Error & { code: unknown }) => {
        assert.equal(error.code, Code.InvalidArgument);
        assert.match(error.message, /^Invalid OCI spec ".*\/config\.json": /);
        assert.match(error.message, problem);
        return true;
      });
    });
  }

  test('rejects a spec that cannot be read', async () => {
    await using bundle = await temporaryDirectory();
    await mkdir(join(bundle.path, 'config.json'));
    await assert.rejects(readShares(bundle.path), { code: Code.InvalidArgument, message: /EISDIR/ });
  });
});
