import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { readStat } from '../../src/proc/stat.ts';
import type { ShareRecord } from '../../src/share/record.ts';
import { processesOf } from '../chaos/machine.ts';
import { eventually } from '../harness/eventually.ts';
import { fixture } from '../harness/fixtures.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { startServe, type ServeProcess } from '../harness/serve-process.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

// What no step of a host leaves by itself is made by hand.

const name = { sandboxId: 'sb', tag: 'work' };

/** A state directory with what a killed host left of the share `work`. */
interface Remains extends AsyncDisposable {
  readonly state: string;
  /** The share's directory. */
  readonly directory: string;
  readonly record: ShareRecord;
  readonly pid: number;
  /** Changes the record; undefined stands for no record at all. */
  readonly write: (record: object | undefined) => void;
  readonly start: () => Promise<ServeProcess>;
}

async function leaveRemains(): Promise<Remains> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const start = (): Promise<ServeProcess> => startServe(path, { daemon: fixture('waits') });
  await using former = await start();
  const { share } = await former.shares.open(name);
  const pid = share?.pid ?? 0;
  stack.defer(() => {
    if (!isGone(pid)) process.kill(pid, 'SIGKILL');
  });
  await former.end('SIGKILL');
  const state = join(path, 'state');
  const directory = join(state, 'sandboxes/default/sb/work');
  const file = join(directory, 'share.json');
  const own = stack.move();
  return {
    state,
    directory,
    pid,
    record: JSON.parse(readFileSync(file, 'utf8')) as ShareRecord,
    write(record) {
      if (record) writeFileSync(file, JSON.stringify(record));
      else rmSync(file);
    },
    start,
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}

/** Nothing of the share is there, nor of the hosts before this one. */
async function assertNothingLeft({ state }: Remains, host: ServeProcess): Promise<void> {
  assert.deepEqual((await host.shares.list({})).shares, []);
  assert.deepEqual(await leftovers(state), []);
  const others = (): unknown[] =>
    processesOf(state).filter(({ pid, parentPid }) => pid !== host.pid && parentPid !== host.pid);
  await eventually('no process is left', () => others().length === 0);
}

describe('a host that finds a half-made share', () => {
  const cases: [what: string, make: (remains: Remains) => void][] = [
    [
      'a directory without anything',
      ({ directory, pid }) => {
        process.kill(pid, 'SIGKILL');
        rmSync(directory, { recursive: true });
        mkdirSync(directory);
      },
    ],
    [
      'a record that was being written',
      ({ directory, pid }) => {
        process.kill(pid, 'SIGKILL');
        rmSync(directory, { recursive: true });
        mkdirSync(directory);
        writeFileSync(join(directory, 'share.json.new'), '{"formatVersion": 1,');
      },
    ],
    [
      'a socket without a daemon',
      ({ record, pid, write }) => {
        process.kill(pid, 'SIGKILL');
        write(withoutDaemon(record));
      },
    ],
    [
      'a daemon whose pid is not on record, without a socket',
      ({ record, write }) => {
        rmSync(record.socketPath);
        write(withoutDaemon(record));
      },
    ],
    ['a daemon whose record somebody removed', ({ write }) => write(undefined)],
    [
      'a daemon that was never reached and whose socket somebody removed',
      ({ record }) => rmSync(record.socketPath),
    ],
  ];
  for (const [what, make] of cases) {
    test(`leaves nothing of it: ${what}`, async () => {
      await using remains = await leaveRemains();
      make(remains);
      await using host = await remains.start();
      await assertNothingLeft(remains, host);
      assert.equal(isGone(remains.pid), true);
    });
  }

  test('says that a daemon ended which left its socket, and removes that', async () => {
    await using remains = await leaveRemains();
    process.kill(remains.pid, 'SIGKILL');
    await eventually('it is gone', () => isGone(remains.pid));
    await using host = await remains.start();
    const { share } = await host.shares.get(name);
    assert.equal(share?.state, 'exited');
    assert.equal(existsSync(remains.record.socketPath), false);
    await host.shares.close(name);
    await assertNothingLeft(remains, host);
  });

  test('touches no process that has a file of another share open, or looks like a starter', async () => {
    await using remains = await leaveRemains();
    remains.write(withoutDaemon(remains.record));
    const elsewhere = openSync(join(remains.state, '..', 'daemon.log'), 'a');
    const strangers = [
      spawn('sleep', ['600'], { stdio: ['ignore', elsewhere, elsewhere] }),
      spawn('/bin/sh', ['-s'], { stdio: ['pipe', elsewhere, 'ignore'] }),
      // It reads what the daemon writes.
      spawn('tail', ['-f', join(remains.directory, 'daemon.log')], { stdio: 'ignore' }),
    ];
    try {
      await Promise.all(strangers.map((stranger) => once(stranger, 'spawn')));
      await using host = await remains.start();
      assert.deepEqual((await host.shares.list({})).shares, []);
      assert.equal(isGone(remains.pid), true);
      for (const { pid } of strangers) assert.equal(isGone(pid ?? 0), false);
    } finally {
      await Promise.all(strangers.map(end));
    }
  });

  for (const isOpenedAgain of [false, true]) {
    const again = isOpenedAgain ? ', though the share is opened again meanwhile' : '';
    test(`lets no daemon begin that its host had asked for when it died${again}`, async () => {
      await using remains = await leaveRemains();
      await using former = await remains.start();
      await former.shares.close(name);
      await former.shares.open({ sandboxId: 'other', tag: 'work' });
      await eventually('a starter is ready', () => starterOf(remains.state, former) !== undefined);
      const starter = starterOf(remains.state, former) ?? 0;
      process.kill(starter, 'SIGSTOP');
      await eventually('it has stopped', () => readStat(starter)?.state === 'T');
      const opening = assert.rejects(former.shares.open(name));
      const file = join(remains.directory, 'share.json');
      const recordOf = (): ShareRecord => JSON.parse(readFileSync(file, 'utf8')) as ShareRecord;
      await eventually('its pid is on record', () => existsSync(file) && recordOf().daemon?.pid === starter);
      await former.end('SIGKILL');
      await opening;
      // As it was when the starter had been asked and nobody had written down so.
      remains.write(withoutDaemon(recordOf()));
      try {
        await using host = await remains.start();
        await host.shares.close({ sandboxId: 'other' });
        if (isOpenedAgain) await host.shares.open(name);
        if (!isGone(starter)) process.kill(starter, 'SIGCONT');
        await eventually('the starter has ended', () => isGone(starter));
        await host.shares.close(name);
        await assertNothingLeft(remains, host);
      } finally {
        if (!isGone(starter)) process.kill(starter, 'SIGKILL');
      }
    });
  }
});

/** As a host leaves it that dies before it has written down its daemon. */
const withoutDaemon = (record: ShareRecord): object => ({ ...record, daemon: undefined });

/** The shell that is to become the next daemon of a host. */
const starterOf = (state: string, { pid: host }: ServeProcess): number | undefined =>
  processesOf(state).find(({ parentPid, command }) => parentPid === host && command === '/bin/sh -s')?.pid;

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}
