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
        { type: 'virtiofs', destination: 'd', options: ['rbind', 'rro', 'rslave', 'nodev,noexec'] },
        { type: 'virtiofs', destination: 'e', options: ['rw,nosuid', 'ro,shared_fs=virtio-fs'] },
        { type: 'virtiofs', destination: 'f', options: ['ro', 'rw'] },
        { type: 'virtiofs', destination: 'g', options: ['cache=always,ro', 'cache=never'] },
      ],
    };
    assert.deepEqual(await read(JSON.stringify(spec)), [
      { tag: 'a', source: '/srv/a', readOnly: false },
      { tag: 'b', readOnly: true },
      { tag: 'c', readOnly: false, sharedFs: 'virtio-fs-frozen' },
      { tag: 'd', readOnly: true },
      { tag: 'e', readOnly: true, sharedFs: 'virtio-fs' },
      { tag: 'f', readOnly: false },
      { tag: 'g', readOnly: true, cache: 'never' },
    ]);
  });

  const misunderstood: [option: string, hint: string][] = [
    ['RO', '; did you mean "ro"?'],
    ['ro=1', '; did you mean "ro"?'],
    ['readonly', '; did you mean "ro"?'],
    ['Read-Only', '; did you mean "ro"?'],
    ['RRO', '; did you mean "rro"?'],
    ['norelatim', '; did you mean "norelatime"?'],
    ['shared-fs=virtio-fs', '; did you mean "shared_fs="?'],
    ['shared_fs=', '; did you mean "shared_fs="?'],
    ['cache=', '; did you mean "cache="?'],
    ['cach=auto', '; did you mean "cache="?'],
    [' ro', '; did you mean "ro"?'],
    ['idmap', ': use "ro", "rw", "cache=<mode>" and "shared_fs=<provider>"'],
    ['tmpcopyup', ': use "ro", "rw", "cache=<mode>" and "shared_fs=<provider>"'],
    ['context=x', ': use "ro", "rw", "cache=<mode>" and "shared_fs=<provider>"'],
    ['toString', ': use "ro", "rw", "cache=<mode>" and "shared_fs=<provider>"'],
    ['', ': use "ro", "rw", "cache=<mode>" and "shared_fs=<provider>"'],
  ];
  for (const [option, hint] of misunderstood) {
    test(`refuses the mount option "${option}" by name, alone and beside others`, async () => {
      for (const options of [[option], ['rbind', option], [`nosuid,${option}`]]) {
        const mounts = [
          { type: 'proc', destination: '/proc', options: [option] },
          { type: 'virtiofs', destination: 'a', options },
        ];
        await assert.rejects(read(JSON.stringify({ mounts })), (error: Error & { code: unknown }) => {
          assert.equal(error.code, Code.InvalidArgument);
          assert.equal(
            error.message.replace(/^.*config\.json": /, ''),
            `mounts.1: unknown mount option "${option}"${hint}`,
          );
          return true;
        });
      }
    });
  }

  for (const type of [
    'VirtioFS',
    'VIRTIOFS',
    'virtio-fs',
    'virtio_fs',
    'virtiofsd',
    'virtiofs ',
    'vitriofs',
  ]) {
    test(`refuses the type "${type}", which would make no share`, async () => {
      const mounts = [{ type, source: '/srv', destination: 'a' }];
      await assert.rejects(read(JSON.stringify({ mounts })), {
        code: Code.InvalidArgument,
        message: new RegExp(`: mounts\\.0: unknown type "${type}"; did you mean "virtiofs"\\?$`),
      });
    });
  }

  test('leaves alone the types of others', async () => {
    const types = ['9p', 'proc', 'sysfs', 'tmpfs', 'overlay', 'bind', 'devpts', 'erofs', 'none', ''];
    const mounts = types.map((type) => ({ type, destination: '/x', options: ['anything'] }));
    assert.deepEqual(await read(JSON.stringify({ mounts })), []);
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
