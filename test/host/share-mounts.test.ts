import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { describe, test } from 'node:test';
import { createShareMounts, type ShareMounts } from '../../src/host/share-mounts.ts';
import { readRecord } from '../../src/share/record.ts';
import { captureLog, type CapturedLog } from '../harness/captured-log.ts';
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

/** Mounts that go with their daemon, of which another one is there since. What is mounted again is in `remounted`. */
function lostMounts({ files, stateDir }: RecordedShare): {
  mounts: ShareMounts;
  captured: CapturedLog;
  remounted: string[];
} {
  const captured = captureLog();
  const remounted: string[] = [];
  const mounts = createShareMounts({
    tag: 'work',
    files,
    stateDir,
    mount: async () => ({ kind: 'rafs', options: [] }),
    unmount: async () => ({ guestMayHoldIt: false }),
    log: captured.log,
    restarts: () => 0,
    remount: async ({ mountpoint }) => {
      if (mountpoint === '/bad') throw new Error('no such image');
      remounted.push(mountpoint);
    },
  });
  return { mounts, captured, remounted };
}

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

  test('undoes and forgets what was mounted in the place of another one where it cannot be recorded', async () => {
    await using own = await recordedShare();
    const { files, stateDir } = own;
    const unmounted: unknown[] = [];
    const mounts = createShareMounts({
      tag: 'work',
      files,
      stateDir,
      mount: async () => ({ kind: 'rafs', options: [] }),
      unmount: async (mountpoint, _, mounted) => void unmounted.push([mountpoint, mounted?.source]),
      log: captureLog().log,
      restarts: () => 0,
      remount: async () => {},
    });
    await mountAt(mounts, '/a');
    rmSync(files.mountJournal);
    mkdirSync(files.mountJournal);
    await mountAt(mounts, '/a');
    assert.deepEqual(unmounted, []);
    await assert.rejects(mounts.mount({ source: '/other', mountpoint: '/a' }, {}), { code: 'EISDIR' });
    assert.deepEqual(unmounted, [['/a', '/other']]);
    assert.deepEqual(mounts.list(), []);
    rmdirSync(files.mountJournal);
    await mountAt(mounts, '/b');
    assert.deepEqual(recordedIn(own), [['/b'], []]);
  });

  test('mounts all again that went with a daemon where none of it can be recorded', async () => {
    await using own = await recordedShare();
    const { files } = own;
    const { mounts, captured, remounted } = lostMounts(own);
    for (const mountpoint of ['/bad', '/a', '/b'])
      // oxlint-disable-next-line no-await-in-loop -- the order is what is looked at
      await mountAt(mounts, mountpoint);
    rmSync(files.mountJournal);
    mkdirSync(files.mountJournal);
    await mounts.replay?.run(1, {});
    assert.deepEqual(remounted, ['/a', '/b']);
    const problems = (): unknown => mounts.list().map(({ mountpoint, problem }) => [mountpoint, problem]);
    const expected = [
      ['/bad', 'no such image'],
      ['/a', undefined],
      ['/b', undefined],
    ];
    assert.deepEqual(problems(), expected);
    assert.equal(mounts.replay?.hasLost(1), false);
    const told = captured.lines.filter(({ msg }) => msg.startsWith('Cannot record what became of a mount: '));
    assert.deepEqual(
      told.map(({ level, mountpoint, source }) => [level, mountpoint, source]),
      ['/bad', '/a', '/b'].map((mountpoint) => ['error', mountpoint, '/data']),
    );
    rmdirSync(files.mountJournal);
    await mountAt(mounts, '/c');
    const onRecord = readRecord(files)?.mounts.map(({ mountpoint, problem }) => [mountpoint, problem]);
    assert.deepEqual(onRecord, [...expected, ['/c', undefined]]);
  });
});
