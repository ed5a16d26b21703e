import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Logger } from 'pino';
import { Code } from 'ttrpc-ts';
import { bootId, identify, type ProcessIdentity } from '../../src/proc/stat.ts';
import { reapSandbox } from '../../src/share/reap.ts';
import { readRecord, writeRecord, type ShareRecord } from '../../src/share/record.ts';
import { openStateDirectory, type ShareFiles, type StateDirectory } from '../../src/share/state-directory.ts';
import { captureLog } from '../harness/captured-log.ts';
import { fixture } from '../harness/fixtures.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

/** A share as a dead host leaves it: record, socket, output, a directory of the host's, and a daemon. */
interface Orphan extends AsyncDisposable {
  readonly path: string;
  readonly stateDir: StateDirectory;
  readonly files: ShareFiles;
  readonly record: ShareRecord;
  readonly identity: ProcessIdentity;
  readonly log: Logger;
  reap(): Promise<void>;
}

async function orphan(change: Partial<ShareRecord> = {}, program = 'waits'): Promise<Orphan> {
  const directory = await temporaryDirectory();
  const { log } = captureLog();
  const stateDir = openStateDirectory(join(directory.path, 'state'), { log });
  const files = stateDir.share('default', 'a', 'work');
  mkdirSync(files.directory, { recursive: true });
  const output = openSync(files.output, 'a');
  const child = spawn(fixture(program), [], { stdio: ['ignore', output, output], detached: true });
  await once(child, 'spawn');
  const identity = identify(child.pid ?? 0) ?? assert.fail('it has ended already');
  const record: ShareRecord = {
    namespace: 'default',
    sandboxId: 'a',
    tag: 'work',
    owner: 'library',
    outlivesHost: false,
    profile: '(options)',
    provider: 'virtio-fs',
    source: stateDir.newSharedDirectory(),
    ownsSource: true,
    readOnly: false,
    queueSize: 1024,
    onExit: 'stop-sandbox',
    restarts: 0,
    socketPath: stateDir.newSocketPath(),
    bootId: bootId(),
    createdAt: new Date().toISOString(),
    mounts: [],
    daemon: { ...identity, startedAt: new Date().toISOString(), command: fixture(program), args: [] },
    ...change,
  };
  writeRecord(files, record);
  if (record.source.startsWith(directory.path)) mkdirSync(record.source, { recursive: true });
  for (const path of [record.socketPath, stateDir.apiSocketOf(record.socketPath)])
    if (path.startsWith(directory.path)) writeFileSync(path, '');
  return {
    path: directory.path,
    stateDir,
    files,
    record,
    identity,
    log,
    reap: () => reapSandbox(stateDir.sandboxDirectory('default', 'a'), { stateDir, log }),
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      await stateDir.trash[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

describe('reapSandbox()', () => {
  for (const program of ['waits', 'ignores-sigterm', 'leaves-child']) {
    test(`ends the daemon of a dead host and removes all that was the share's: ${program}`, async () => {
      await using own = await orphan({}, program);
      await own.reap();
      assert.equal(isGone(own.identity.pid), true);
      assert.equal(existsSync(own.record.source), false);
      assert.deepEqual(await leftovers(own.stateDir.path), []);
    });
  }

  test('finds a daemon whose pid was not recorded any more by the file that takes its output', async () => {
    await using own = await orphan();
    const { daemon: _, ...early } = own.record;
    writeRecord(own.files, early);
    await own.reap();
    assert.equal(isGone(own.identity.pid), true);
    assert.deepEqual(await leftovers(own.stateDir.path), []);
  });

  test('leaves alone a process of another start, of another boot, or that does not hold our output', async () => {
    const stranger = spawn('sleep', ['600'], { stdio: 'ignore' });
    try {
      await once(stranger, 'spawn');
      const identity = identify(stranger.pid ?? 0) ?? assert.fail('no process');
      const process = { startedAt: new Date().toISOString(), command: '/bin/sleep', args: [] };
      const forged = { daemon: { ...identity, ...process } };
      for (const change of [
        forged,
        { daemon: { ...identity, ...process, startTime: identity.startTime + 1 } },
        { ...forged, bootId: '00000000-0000-0000-0000-000000000000' },
      ]) {
        await using own = await orphan(change);
        await own.reap();
        assert.equal(isGone(identity.pid), false);
        assert.deepEqual(await leftovers(own.stateDir.path), []);
      }
    } finally {
      stranger.kill('SIGKILL');
    }
  });

  test('removes no path outside the state, whatever the record says', async () => {
    await using outside = await temporaryDirectory();
    const precious = join(outside.path, 'precious');
    writeFileSync(precious, 'precious');
    for (const change of [{ socketPath: precious }, { source: outside.path, ownsSource: true }]) {
      await using own = await orphan(change);
      await own.reap();
      assert.equal(readFileSync(precious, 'utf8'), 'precious');
    }
    await using own = await orphan();
    const shared = join(own.stateDir.path, 'shared');
    writeRecord(own.files, { ...own.record, source: shared });
    await own.reap();
    assert.equal(existsSync(own.record.source), true);
    assert.equal(existsSync(shared), true);
  });

  test('takes no copy of a record for another share, and touches nothing that it names', async () => {
    await using own = await orphan();
    const copy = own.stateDir.share('default', 'a', 'copy');
    mkdirSync(copy.directory);
    writeRecord(copy, own.record);
    const elsewhere = own.stateDir.share('default', 'b', 'work');
    mkdirSync(elsewhere.directory, { recursive: true });
    writeRecord(elsewhere, own.record);
    const directory = own.stateDir.sandboxDirectory('default', 'b');
    const { stateDir, log } = own;
    await assert.rejects(reapSandbox(directory, { stateDir, log }), {
      code: Code.FailedPrecondition,
      message: `Cannot use the record "${elsewhere.record}": it is that of share "work" of sandbox "a": remove it`,
    });
    assert.equal(isGone(own.identity.pid), false);
    assert.equal(existsSync(own.record.source), true);
    assert.equal(existsSync(own.record.socketPath), true);
    assert.equal(existsSync(elsewhere.record), true);
    await assert.rejects(own.reap(), { code: Code.FailedPrecondition });
    assert.equal(isGone(own.identity.pid), true);
    assert.equal(existsSync(copy.record), true);
  });

  test('removes no socket and no directory but one of ours, by its exact name', async () => {
    await using own = await orphan();
    const { socketDirectory, sharedDirectory } = own.stateDir;
    const others = [join(socketDirectory, 'other.sock'), join(sharedDirectory, 'x'.repeat(32))] as const;
    for (const path of others) mkdirSync(path);
    for (const change of [
      { socketPath: `${socketDirectory}/..` },
      { socketPath: `${socketDirectory}/` },
      { socketPath: others[0] },
      { socketPath: `${own.record.socketPath}/../../host.lock` },
      { source: sharedDirectory },
      { source: `${sharedDirectory}/.` },
      { source: `${own.record.source}/..` },
      { source: others[1] },
    ]) {
      mkdirSync(own.files.directory, { recursive: true });
      writeRecord(own.files, { ...own.record, ...change });
      await own.reap();
      for (const path of others) assert.equal(existsSync(path), true, path);
    }
  });

  test('leaves a record alone that it cannot read, says which, and ends the other shares', async () => {
    await using own = await orphan();
    const torn = own.stateDir.share('default', 'a', 'torn');
    mkdirSync(torn.directory);
    writeFileSync(torn.record, '{"formatVersion": 1, "tag"');
    await assert.rejects(own.reap(), {
      code: Code.FailedPrecondition,
      message: `Cannot read the share's record "${torn.record}": it is no JSON`,
    });
    assert.equal(isGone(own.identity.pid), true);
    assert.equal(existsSync(torn.record), true);
    assert.equal(existsSync(own.files.directory), false);
  });

  test('removes the directory of a host that died before it wrote the record', async () => {
    await using own = await orphan();
    const early = own.stateDir.share('default', 'a', 'early');
    mkdirSync(early.directory);
    await own.reap();
    assert.deepEqual(await leftovers(own.stateDir.path), []);
  });
});

describe('readRecord()', () => {
  const cases: [what: string, text: string, problem: string][] = [
    ['a newer version', '{"formatVersion": 2}', 'a newer version of this program wrote it (format 2)'],
    ['another format', '{"pid": 1}', 'formatVersion: Invalid input: expected 1'],
    ['no object', 'null', ': Invalid input: expected object, received null'],
  ];
  for (const [what, text, problem] of cases) {
    test(`rejects ${what}, naming file and problem`, async () => {
      await using own = await orphan();
      writeFileSync(own.files.record, text);
      assert.throws(() => readRecord(own.files), {
        name: 'StatusError',
        code: Code.FailedPrecondition,
        message: `Cannot read the share's record "${own.files.record}": ${problem}`,
      });
    });
  }

  test('returns what was written, and undefined where there is none', async () => {
    await using own = await orphan();
    const { formatVersion, ...record } = { formatVersion: 0, ...readRecord(own.files) };
    assert.equal(formatVersion, 1);
    assert.deepEqual(record, own.record);
    assert.equal(readRecord(own.stateDir.share('default', 'a', 'none')), undefined);
  });
});
