import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Daemon } from '../../src/daemon/contract.ts';
import { superviseDaemon } from '../../src/daemon/daemon.ts';
import { childProcess, watchedProcess, type DaemonProcess } from '../../src/daemon/process.ts';
import type { DaemonSpec } from '../../src/daemon/spec.ts';
import { identify } from '../../src/proc/stat.ts';
import { captureLog } from '../harness/captured-log.ts';
import { eventually } from '../harness/eventually.ts';
import { fixture } from '../harness/fixtures.ts';
import { isGone } from '../harness/leftovers.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

/** A daemon under supervision, and how often its socket was removed. */
interface Supervised extends AsyncDisposable {
  readonly daemon: Daemon;
  readonly outputPath: string;
  readonly removals: () => number;
}

const sources = {
  'a child of ours': (child, identity) => childProcess(child, identity),
  'a process that is watched': (_, identity) => watchedProcess(identity, { intervalMs: 5 }),
} satisfies Record<string, (...args: Parameters<typeof childProcess>) => DaemonProcess>;

for (const [source, processOf] of Object.entries(sources)) {
  const isChild = source === 'a child of ours';

  describe(`superviseDaemon() over ${source}`, () => {
    test('goes from starting to waiting, connected, stopping and exited', async () => {
      await using own = await supervise('never-ready', processOf);
      const { daemon, outputPath } = own;
      assert.equal(daemon.state, 'starting');
      const heard: string[] = [];
      daemon.onChange(() => void heard.push(daemon.state));
      daemon.onChange(() => {
        throw new Error('a listener that fails harms nobody');
      });
      daemon.onChange(() => void heard.push('disposed of'))[Symbol.dispose]();
      appendFileSync(outputPath, 'Waiting for a client\n');
      await daemon.ready;
      assert.equal(daemon.state, 'waiting');
      appendFileSync(outputPath, 'Client connected\n');
      await eventually('it is connected', () => daemon.state === 'connected');
      const stopping = daemon.stop();
      assert.equal(daemon.state, 'stopping');
      const exit = await stopping;
      assert.equal(daemon.state, 'exited');
      assert.deepEqual(heard, ['waiting', 'connected', 'stopping', 'exited']);
      assert.equal(exit.cause, 'stopped');
      assert.equal(exit.signal, isChild ? 'SIGTERM' : undefined);
      assert.equal(isGone(daemon.identity.pid), true);
      assert.equal(own.removals(), 1);
    });

    test('has no limit any more when its VMM has come', async () => {
      await using own = await supervise('waits', processOf, { clientTimeoutMs: 20 });
      appendFileSync(own.outputPath, 'Waiting for a client\nClient connected\n');
      await eventually('it is connected', () => own.daemon.state === 'connected');
      await delay(60);
      assert.equal(own.daemon.state, 'connected');
    });

    test('is given up where its VMM does not come in time, and says so as a stop would not', async () => {
      await using own = await supervise('waits', processOf, { clientTimeoutMs: 20 });
      appendFileSync(own.outputPath, 'Waiting for a client\n');
      const { cause, message } = await own.daemon.exited;
      const what = isChild ? 'was killed by SIGTERM' : 'ended with an unknown status';
      const why = `no VMM connected to "${own.daemon.socketPath}" within 20 ms: check that the VMM runs and was given this socket`;
      assert.deepEqual([cause, message], ['no-client', `exampled ${what}: ${why}`]);
      assert.equal((await own.daemon.stop()).cause, 'no-client');
      assert.equal(own.removals(), 1);
    });

    test('shares one stop among all who ask, and tells the same end to all', async () => {
      await using own = await supervise('waits', processOf);
      const { daemon } = own;
      const [first, second] = await Promise.all([daemon.stop(), daemon.stop()]);
      assert.equal(first, second);
      assert.equal(await daemon.exited, first);
      assert.equal(await daemon.stop(), first);
      assert.equal(own.removals(), 1);
    });

    test('takes an end that nobody asked for as the spec explains it', async () => {
      await using own = await supervise('ends-when-told', processOf, {
        explainEnd: ({ lastLines }) => ({ cause: 'disconnected', words: `said ${lastLines.length} lines` }),
      });
      await tellToEnd(own);
      const { cause, message, exitCode, signal } = await own.daemon.exited;
      const [code, status] = isChild
        ? [3, 'exited with code 3']
        : [undefined, 'ended with an unknown status'];
      assert.deepEqual([cause, exitCode, signal], ['disconnected', code, undefined]);
      assert.equal(message, `exampled ${status}: its VMM has left`);
      assert.equal(own.daemon.exit, await own.daemon.exited);
    });

    test('passes each line on to its spec, and goes on where that fails', async () => {
      const heard: string[] = [];
      await using own = await supervise('waits', processOf, {
        onLine(line) {
          heard.push(line);
          throw new Error('no idea');
        },
      });
      appendFileSync(own.outputPath, 'One\nTwo\nWaiting for a client\n');
      await own.daemon.ready;
      await eventually('both lines were heard', () => heard.includes('Two'));
      // The daemon says something of its own meanwhile.
      assert.deepEqual(
        heard.filter((line) => line === 'One' || line === 'Two'),
        ['One', 'Two'],
      );
      assert.equal(own.daemon.state, 'waiting');
    });

    test('ends as others do where its spec cannot explain the end', async () => {
      await using own = await supervise('ends-when-told', processOf, {
        explainEnd: () => {
          throw new Error('no idea');
        },
      });
      await tellToEnd(own);
      const { cause, message } = await own.daemon.exited;
      assert.equal(cause, 'failed');
      assert.match(message, /^exampled .*: cannot go on: it is a teapot$/);
    });

    test("says that it failed, with its status where it is known, and rejects ready with the spec's words", async () => {
      await using own = await supervise('never-ready', processOf, {
        explainEnd: () => ({ cause: 'failed', words: 'it is a teapot' }),
      });
      process.kill(own.daemon.identity.pid, 'SIGKILL');
      await assert.rejects(own.daemon.ready, {
        name: 'DaemonError',
        message: `exampled ${isChild ? 'was killed by SIGKILL' : 'ended with an unknown status'}: it is a teapot`,
      });
      assert.equal((await own.daemon.exited).cause, isChild ? 'crashed' : 'start-failed');
    });
  });
}

describe('superviseDaemon()', () => {
  test('ends in order where its socket cannot be removed, and says so', async () => {
    await using directory = await temporaryDirectory();
    const outputPath = join(directory.path, 'daemon.log');
    const child = spawn(fixture('waits'), { stdio: 'ignore', detached: true });
    await once(child, 'spawn');
    const captured = captureLog();
    const daemon = superviseDaemon({
      spec: {
        name: 'exampled',
        socket: 'own',
        socketPath: '/nowhere/daemon.sock',
        outputPath,
        ready: { settleMs: 1 },
        startTimeoutMs: 60_000,
        stopTimeoutMs: 60_000,
      },
      program: { command: fixture('waits'), args: [] },
      process: childProcess(child, identify(child.pid ?? 0) ?? assert.fail('no process')),
      log: captured.log,
      startedBy: undefined,
      boundPath: '/nowhere/daemon.sock',
      removeSocket: () => {
        throw new Error('the file system is read-only');
      },
    });
    assert.equal((await daemon.stop()).cause, 'stopped');
    const text = 'Cannot remove the socket of a daemon that has ended';
    assert.equal(captured.withMessage(text).length, 1);
  });
});

describe('watchedProcess()', () => {
  test('resolves for a process that has gone, and for a pid that another process has by now', async () => {
    const child = spawn('sleep', ['600'], { stdio: 'ignore' });
    const identity = identify(child.pid ?? 0) ?? assert.fail('no process');
    const reused = watchedProcess({ ...identity, startTime: identity.startTime + 1 }, { intervalMs: 5 });
    assert.deepEqual(await reused.ended, {});
    const watched = watchedProcess(identity, { intervalMs: 5 });
    child.kill('SIGKILL');
    assert.deepEqual(await watched.ended, {});
    assert.equal(existsSync(`/proc/${identity.pid}/exe`), false);
  });
});

/** Has the fixture `ends-when-told` end by itself after it waited; its first line may have been missed. */
async function tellToEnd({ daemon, outputPath }: Supervised): Promise<void> {
  await eventually('it has said that it waits', () => readFileSync(outputPath, 'utf8').includes('Waiting'));
  appendFileSync(outputPath, 'Waiting for a client\n');
  await daemon.ready;
  assert.equal(daemon.exit, undefined);
  process.kill(daemon.identity.pid, 'SIGUSR1');
}

/** Starts a fixture and supervises it. */
async function supervise(
  program: string,
  processOf: typeof childProcess,
  options: Partial<DaemonSpec> = {},
): Promise<Supervised> {
  const directory = await temporaryDirectory();
  const outputPath = join(directory.path, 'daemon.log');
  const output = openSync(outputPath, 'a');
  const child = spawn(fixture(program), [], { stdio: ['ignore', output, output], detached: true });
  await once(child, 'spawn');
  const identity = identify(child.pid ?? 0) ?? assert.fail('it has ended already');
  let removals = 0;
  const daemon = superviseDaemon({
    spec: {
      name: 'exampled',
      socket: 'own',
      socketPath: join(directory.path, 'daemon.sock'),
      outputPath,
      ready: { line: /Waiting for/ },
      connectedLine: /Client connected/,
      startTimeoutMs: 60_000,
      stopTimeoutMs: 60_000,
      ...options,
    },
    program: { command: fixture(program), args: [] },
    process: processOf(child, identity),
    log: captureLog().log,
    startedBy: undefined,
    boundPath: '/nowhere/daemon.sock',
    removeSocket: () => removals++,
  });
  return {
    daemon,
    outputPath,
    removals: () => removals,
    async [Symbol.asyncDispose]() {
      await daemon.stop();
      await directory[Symbol.asyncDispose]();
    },
  };
}
