import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdirSync } from 'node:fs';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { readRecord, recordMountChange, updateRecord, type MountRecord } from '../../src/share/record.ts';
import { describeStateDirectory, type ShareFiles } from '../../src/share/state-directory.ts';
import { recordedShare } from '../harness/recorded-share.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

const mountOf = (mountpoint: string, more: Partial<MountRecord> = {}): MountRecord => ({
  source: '/data',
  mountpoint,
  mountedAt: '2026-11-26T00:00:00.000Z',
  ...more,
});

const seen = (files: ShareFiles): unknown => {
  const { mounts = [], formerMountpoints } = readRecord(files) ?? {};
  return [mounts.map(({ mountpoint, kind }) => [mountpoint, kind]), formerMountpoints];
};

describe('recordMountChange()', () => {
  test('is what a reader finds in the record, also when that is written anew, or was and its journal is still there', async () => {
    await using own = await recordedShare([mountOf('/a', { kind: 'bind' })]);
    const { files } = own;
    recordMountChange(files, { mount: mountOf('/b', { isPending: true }) });
    recordMountChange(files, { mount: mountOf('/c', { isPending: true }) });
    assert.deepEqual(
      readRecord(files)?.mounts.map(({ isPending }) => isPending),
      [undefined, true, true],
    );
    recordMountChange(files, { mount: mountOf('/b', { kind: 'bind' }) });
    recordMountChange(files, { forgotten: '/c' });
    recordMountChange(files, { unmounted: '/a' });
    const expected = [[['/b', 'bind']], ['/a']];
    assert.deepEqual(seen(files), expected);
    const again = readRecord(files) ?? assert.fail('no record');
    updateRecord(files, (record) => ({ ...record, isClosing: true }));
    assert.equal(existsSync(files.mountJournal), false);
    assert.deepEqual(seen(files), expected);
    for (const mount of again.mounts) recordMountChange(files, { mount });
    recordMountChange(files, { unmounted: '/a' });
    assert.deepEqual(seen(files), expected);
  });

  test('loses nothing but itself where a host dies or the file system is full in the midst of it', async () => {
    await using own = await recordedShare([]);
    const { files } = own;
    recordMountChange(files, { mount: mountOf('/a') });
    appendFileSync(files.mountJournal, '\n{"mount":{"source":"/data","mountp');
    assert.deepEqual(seen(files), [[['/a', undefined]], undefined]);
    recordMountChange(files, { mount: mountOf('/b') });
    assert.deepEqual(seen(files), [
      [
        ['/a', undefined],
        ['/b', undefined],
      ],
      undefined,
    ]);
  });

  test('of a share without a record makes nothing', async () => {
    await using directory = await temporaryDirectory();
    const files = describeStateDirectory(directory.path).share('default', 'a', 'work');
    mkdirSync(files.directory, { recursive: true });
    recordMountChange(files, { mount: mountOf('/a') });
    assert.equal(existsSync(files.mountJournal), false);
  });
});

describe('readRecord()', () => {
  test('rejects changes of mounts that it does not know, naming the file', async () => {
    await using own = await recordedShare([]);
    const { files } = own;
    recordMountChange(files, { mount: mountOf('/a') });
    appendFileSync(files.mountJournal, '\n{"moved": "/a"}');
    assert.throws(() => readRecord(files), {
      name: 'StatusError',
      code: Code.FailedPrecondition,
      message: `Cannot read what is mounted "${files.mountJournal}": change 1: Invalid input`,
    });
  });
});
