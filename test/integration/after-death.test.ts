import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { openHost, type Host, type HostOptions } from '../../src/host/host.ts';
import { readStat } from '../../src/proc/stat.ts';
import { captureLog } from '../harness/captured-log.ts';
import { eventually } from '../harness/eventually.ts';
import { executable } from '../harness/fixtures.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { lockHolder } from '../harness/lock-holder.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { VIRTIOFS, virtiofsTable } from '../harness/test-host.ts';

const hostUrl = new URL('../../src/host/host.ts', import.meta.url).href;

/** A library program: opens a share on a host of its own, says so, and ends as it is told to, without closing it. */
const PROGRAM = `
import { once } from 'node:events';
import { openHost } from ${JSON.stringify(hostUrl)};
const host = await openHost(JSON.parse(process.argv[1]));
const { pid, socketPath, sharedDir, ready } = await host.openShare({ sandboxId: 'a', tag: 'x' });
await ready;
console.log(JSON.stringify({ pid, socketPath, sharedDir }));
const [way] = await once(process.stdin, 'data');
if (way == 'detach') await host.detach();
if (way == 'throw') throw new Error('of the program');
process.exit();
`;

/** A running program and its share. Disposal ends it. */
interface Program extends AsyncDisposable {
  readonly share: { readonly pid: number; readonly socketPath: string; readonly sharedDir: string };
  /** Ends it by a signal, or as its code says; resolves when it has ended. */
  end(way: string): Promise<void>;
}

async function startProgram(
  state: string,
  { daemon = 'waits', ...options }: { daemon?: string } & Pick<HostOptions, 'shares'> = {},
): Promise<Program> {
  const argument = JSON.stringify({ ...options, config: configOf(state, daemon) });
  const program = execa(process.execPath, ['--no-warnings', '--input-type=module', '-e', PROGRAM, argument], {
    reject: false,
    buffer: false,
    stderr: 'ignore',
  });
  const [line] = (await once(createInterface(program.stdout), 'line')) as [string];
  const end = async (way: string): Promise<void> => {
    if (way.startsWith('SIG')) program.kill(way as NodeJS.Signals);
    else program.stdin.write(way);
    await program;
  };
  return {
    share: JSON.parse(line) as Program['share'],
    end,
    [Symbol.asyncDispose]: () => end('SIGKILL'),
  };
}

const configOf = (state: string, daemon: string) =>
  ({
    version: 1,
    state,
    scratch_dir: `${state}-scratch`,
    log: { level: 'silent' },
    plugins: { [VIRTIOFS]: virtiofsTable(daemon) },
  }) as const;

const open = (state: string): Promise<Host> =>
  openHost({ config: configOf(state, 'waits'), log: captureLog().log });

const assertEnded = async (state: string, { share }: Program): Promise<void> => {
  await eventually('the daemon is gone', () => isGone(share.pid));
  await eventually('its record is gone', () => readdirSync(join(state, 'sandboxes')).length === 0);
  assert.equal(existsSync(share.socketPath), false);
  assert.equal(existsSync(share.sharedDir), false);
  assert.deepEqual(await leftovers(state), []);
};

const lockIsFree = (path: string): Promise<void> =>
  eventually('the lock is free', async () => {
    const { exitCode } = await execa('flock', ['-n', path, 'true'], { reject: false });
    return exitCode === 0;
  });

describe("a library program's shares", () => {
  for (const way of ['SIGKILL', 'SIGINT', 'SIGTERM', 'exit', 'throw']) {
    test(`end with it, however it ends: ${way}`, async () => {
      await using directory = await temporaryDirectory();
      const state = join(directory.path, 'state');
      await using program = await startProgram(state, { daemon: 'ignores-sigterm' });
      await program.end(way);
      await assertEnded(state, program);
      await lockIsFree(join(state, 'host.lock'));
    });
  }

  for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
    test(`end with it though the one who is to end them was sent ${signal}`, async () => {
      await using directory = await temporaryDirectory();
      const state = join(directory.path, 'state');
      const lock = join(state, 'host.lock');
      await using program = await startProgram(state);
      const former = lockHolder(lock) ?? assert.fail('nobody holds the lock');
      await eventually('the signal has come', () => {
        const found = readStat(former)?.state;
        if (found !== undefined && found !== 'Z') process.kill(former, signal);
        return ['T', 'Z', undefined].includes(found);
      });
      await eventually('another has taken its place, or it goes on', () => {
        const holder = lockHolder(lock);
        return signal === 'SIGKILL' ? ![former, undefined].includes(holder) : readStat(former)?.state === 'S';
      });
      await program.end('SIGKILL');
      await assertEnded(state, program);
    });
  }

  test('end with it though a wrapper has not become the daemon, which has another user; needs root', async () => {
    await using directory = await temporaryDirectory();
    const state = join(directory.path, 'state');
    const drop = 'setpriv --reuid=65534 --regid=65534 --clear-groups';
    const daemon = await executable(
      join(directory.path, 'wrapper'),
      `#!/bin/sh\n${drop} sleep 600 &\necho "child $!" >&2\necho 'Waiting for it' >&2\nwait\n`,
    );
    await using program = await startProgram(state, { daemon });
    const output = readFileSync(join(state, 'sandboxes/default/a/x/daemon.log'), 'utf8');
    const child = Number(/child (\d+)/.exec(output)?.[1]);
    assert.equal(isGone(child), false);
    await program.end('SIGKILL');
    await eventually('the wrapped daemon is gone', () => isGone(child));
    await assertEnded(state, program);
  });

  for (const { shares, way } of [
    { shares: 'outlive-process', way: 'SIGKILL' },
    { shares: 'outlive-process', way: 'exit' },
    { shares: 'end-with-process', way: 'detach' },
  ] as const) {
    test(`outlive it where they are meant to: ${shares}, ${way}`, async () => {
      await using directory = await temporaryDirectory();
      const state = join(directory.path, 'state');
      await using program = await startProgram(state, { shares });
      const { pid, socketPath } = program.share;
      try {
        await program.end(way);
        await lockIsFree(join(state, 'host.lock'));
        assert.equal(isGone(pid), false);
        assert.equal(existsSync(socketPath), true);
      } finally {
        process.kill(pid, 'SIGKILL');
      }
    });
  }

  test('are ended before the next host has the state directory', async () => {
    await using directory = await temporaryDirectory();
    const state = join(directory.path, 'state');
    await using program = await startProgram(state, { daemon: 'ignores-sigterm' });
    await program.end('SIGKILL');
    const lock = join(state, 'host.lock');
    await eventually(
      'the end has begun',
      () => readFileSync(lock, 'utf8') !== '' || isGone(program.share.pid),
    );
    await using host = await open(state);
    assert.equal(isGone(program.share.pid), true);
    await using share = await host.openShare({ sandboxId: 'a', tag: 'x' });
    assert.equal(isGone(share.pid), false);
  });

  test('are all that ends: those in the state directory that has taken its place stay', async () => {
    await using directory = await temporaryDirectory();
    const state = join(directory.path, 'state');
    const moved = join(directory.path, 'moved');
    await using program = await startProgram(state);
    try {
      renameSync(state, moved);
      await using host = await open(state);
      await using share = await host.openShare({ sandboxId: 'a', tag: 'x' });
      await program.end('SIGKILL');
      await lockIsFree(join(moved, 'host.lock'));
      assert.equal(isGone(share.pid), false);
    } finally {
      process.kill(program.share.pid, 'SIGKILL');
    }
  });
});
