import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { Code } from 'ttrpc-ts';
import { openHost } from '../../src/host/host.ts';
import { readStat } from '../../src/proc/stat.ts';
import { captureLog } from '../harness/captured-log.ts';
import { eventually } from '../harness/eventually.ts';
import { isGone, leftovers } from '../harness/leftovers.ts';
import { blockUntil, lockHolder } from '../harness/lock-holder.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { openTestHost, VIRTIOFS, virtiofsTable, type TestHost } from '../harness/test-host.ts';

const KILLED = 'Somebody killed the holder of the lock of this host';
const hostUrl = new URL('../../src/host/host.ts', import.meta.url).href;

/** Another host, which opens a share of the same name, says so, and closes when its input ends. */
const OTHER_HOST = `
import { once } from 'node:events';
import { openHost } from ${JSON.stringify(hostUrl)};
await using host = await openHost(JSON.parse(process.argv[1]));
await using share = await host.openShare({ sandboxId: 'a', tag: 'x' });
console.log(share.pid, share.socketPath);
await once(process.stdin.resume(), 'end');
`;

const lockOf = (own: TestHost): string => own.host.stateDir.host.lock;
const holderOf = (own: TestHost): number => lockHolder(lockOf(own)) ?? assert.fail('nobody holds the lock');

const refusedElsewhere = ({ state }: TestHost): Promise<void> =>
  assert.rejects(openHost({ config: { version: 1, state, scratch_dir: state }, log: captureLog().log }), {
    message: /^Another host uses/,
  });

/** Kills the holder, and lets another process have the lock before the host can know. */
function loseTo<Other>(own: TestHost, start: () => Other): Other {
  process.kill(holderOf(own), 'SIGKILL');
  blockUntil(() => lockHolder(lockOf(own)) === undefined);
  const other = start();
  blockUntil(() => lockHolder(lockOf(own)) !== undefined);
  return other;
}

describe('a host whose lock has lost its holder', () => {
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    test(`takes it again, and its shares notice nothing: ${signal}`, async (context) => {
      // Its end is an event; nothing need look for it now and then.
      context.mock.timers.enable({ apis: ['setInterval'] });
      await using own = await openTestHost();
      await using share = await own.host.openShare({ sandboxId: 'a', tag: 'x' });
      for (let times = 1; times <= 3; times++) {
        const former = holderOf(own);
        process.kill(former, signal);
        // oxlint-disable no-await-in-loop -- one after the other
        await eventually('it is taken again', () => {
          return own.captured.withMessage(`${KILLED}; it is taken again`).length === times;
        });
        assert.notEqual(holderOf(own), former);
        assert.equal(isGone(former), true);
        await refusedElsewhere(own);
        // oxlint-enable no-await-in-loop
      }
      assert.equal(isGone(share.pid), false);
      await (await own.host.openShare({ sandboxId: 'a', tag: 'y' }))[Symbol.asyncDispose]();
    });
  }

  test('refuses shares where another has it by then, and leaves all that is there to the other', async () => {
    await using own = await openTestHost();
    const { state, host } = own;
    const share = await host.openShare({ sandboxId: 'a', tag: 'x' });
    const config = { version: 1, state, scratch_dir: state, log: { level: 'silent' } };
    const options = { config: { ...config, plugins: { [VIRTIOFS]: virtiofsTable('waits') } } };
    const node = ['--no-warnings', '--input-type=module', '-e', OTHER_HOST, JSON.stringify(options)];
    const other = loseTo(own, () => execa(process.execPath, node, { reject: false }));
    const said = new Promise<string>((resolve) => other.stdout?.once('data', (line) => resolve(`${line}`)));
    const message = `${KILLED}, and another host has it by now: this one opens no share any more, and leaves those that it has`;
    const lost = await host.lost;
    assert.deepEqual([lost.code, lost.message], [Code.FailedPrecondition, message]);
    assert.equal(own.captured.withMessage(message)[0]?.level, 'error');
    await assert.rejects(host.openShare({ sandboxId: 'b', tag: 'x' }), {
      name: 'StatusError',
      code: Code.FailedPrecondition,
      message: `Another host has taken the state directory "${state}": use that one, and end this`,
    });
    // The other host ends what it takes for a dead one's, and opens its own of the same name.
    const [pid, socketPath = ''] = (await said).trim().split(' ');
    await share[Symbol.asyncDispose]();
    await host[Symbol.asyncDispose]();
    assert.equal(isGone(Number(pid)), false);
    assert.equal(existsSync(socketPath), true);
    assert.equal(existsSync(join(state, 'sandboxes/default/a/x/share.json')), true);
    assert.equal(existsSync(join(state, 'reserve')), true);
    other.stdin?.end();
    assert.equal((await other).exitCode, 0);
    assert.deepEqual(await leftovers(state), []);
  });

  test('leaves its shares alive at disposal where another has it', async () => {
    await using own = await openTestHost();
    const { pid, socketPath } = await own.host.openShare({ sandboxId: 'a', tag: 'x' });
    try {
      const other = loseTo(own, () => execa('flock', [lockOf(own), 'cat'], { reject: false }));
      await own.host.lost;
      await own.host[Symbol.asyncDispose]();
      assert.equal(isGone(pid), false);
      assert.equal(existsSync(socketPath), true);
      other.stdin?.end();
      await other;
    } finally {
      process.kill(pid, 'SIGKILL');
    }
  });

  test('tries again where it cannot start a holder, and says why once', async () => {
    await using own = await openTestHost();
    const { PATH } = process.env;
    process.env['PATH'] = '/nonexistent';
    try {
      process.kill(holderOf(own), 'SIGKILL');
      const said = `${KILLED}, and it cannot be taken again`;
      await eventually('it says so', () => own.captured.withMessage(said).length === 1);
    } finally {
      process.env['PATH'] = PATH;
    }
    await eventually('it is taken again', () => lockHolder(lockOf(own)) !== undefined);
    await refusedElsewhere(own);
  });
});

describe('a host whose lock has a holder that was stopped', () => {
  test('has it go on', async () => {
    await using own = await openTestHost();
    const holder = holderOf(own);
    process.kill(holder, 'SIGSTOP');
    blockUntil(() => readStat(holder)?.state === 'T');
    await eventually('it goes on', () => readStat(holder)?.state === 'S');
    assert.equal(holderOf(own), holder);
  });

  test('ends all the same, and gives it up', async () => {
    await using around = await temporaryDirectory();
    const own = await openTestHost({ config: { state: join(around.path, 'state') } });
    const holder = holderOf(own);
    process.kill(holder, 'SIGSTOP');
    blockUntil(() => readStat(holder)?.state === 'T');
    await own[Symbol.asyncDispose]();
    assert.equal(isGone(holder), true);
    assert.equal(lockHolder(lockOf(own)), undefined);
    assert.equal(readFileSync(lockOf(own), 'utf8'), '');
  });
});
