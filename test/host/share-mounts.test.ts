import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { describe, test } from 'node:test';
import { createShareMounts, type ShareMounts } from '../../src/host/share-mounts.ts';
import { readRecord } from '../../src/share/record.ts';
import { captureLog } from '../harness/captured-log.ts';
import { recordedShare, type RecordedShare } from '../harness/recorded-share.ts';

/** Mounts that are made by nobody. */
const mountsOf = ({ files, stateDir }: RecordedShare): ShareMounts =>
  createShareMounts({
    tag: 'work',
    files,
    stateDir,
    mount: async () => ({ kind: 'bind', options: [] }),
    unmount: async () => ({ guestMayHoldIt: false }),
    log: captureLog().log,
    restarts: () => 0,
    remount: undefined,
  });

const recordedIn = ({ files }: RecordedShare): (string | undefined)[][] => [
  (readRecord(files)?.mounts ?? []).map(({ mountpoint }) => mountpoint),
  readRecord(files)?.formerMountpoints ?? [],
];

const mountAt = (mounts: ShareMounts, mountpoint: string): Promise<unknown> =>
  mounts.mount({ source: '/data', mountpoint }, {});

describe('ShareMounts', () => {
  test('writes the record anew now and then, so that its journal does not grow without end', async () => {
    await using own = await recordedShare();
    const mounts = mountsOf(own);
    const former = Array.from({ length: 200 }, (_, index) => `/${index}`);
    for (const mountpoint of former) {
      await mountAt(mounts, mountpoint);
      await mounts.unmount(mountpoint, {});
    }
    await mountAt(mounts, '/last');
    assert.deepEqual(recordedIn(own), [['/last'], former]);
    const lines = readFileSync(own.files.mountJournal, 'utf8').split('\n').length;
    assert.equal(lines < 250, true, `${lines} lines after ${3 * former.length} changes`);
    const next = mountsOf(own);
    assert.deepEqual(
      next.list().map(({ mountpoint }) => mountpoint),
      ['/last'],
    );
  });

  test('records with the next change what could not be recorded', async () => {
    await using own = await recordedShare();
    const { files } = own;
    const mounts = mountsOf(own);
    await mountAt(mounts, '/a');
    rmSync(files.mountJournal);
    mkdirSync(files.mountJournal);
    await assert.rejects(mountAt(mounts, '/b'), { code: 'EISDIR' });
    rmdirSync(files.mountJournal);
    await mountAt(mounts, '/c');
    assert.deepEqual(recordedIn(own), [['/a', '/c'], []]);
  });
});
