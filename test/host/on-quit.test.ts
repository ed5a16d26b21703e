import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Quit } from '../../src/host/contract.ts';
import { eventually } from '../harness/eventually.ts';
import { nodeFixture } from '../harness/fixtures.ts';
import { sandboxRequest as request } from '../harness/sandbox-request.ts';
import { openTestHost } from '../harness/test-host.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { connectVhostUser } from '../harness/vhost-user.ts';

describe('HostOptions.onQuit', () => {
  test('runs once when a daemon fails, and the sandbox ends with its status', async () => {
    const quits: Quit[] = [];
    await using own = await openTestHost({ daemon: 'exits-early', onQuit: (quit) => quits.push(quit) });
    const { sandboxes } = own.host;
    const sandbox = await sandboxes.create(request('a', { tag: 'x' }));
    const { exitStatus, failed } = await sandbox.ended;
    assert.deepEqual([exitStatus, failed?.tag, failed?.exit.exitCode], [7, 'x', 7]);
    assert.equal(sandbox.exit, await sandbox.ended);
    assert.deepEqual(
      quits.map(({ share, exit }) => [share.tag, exit.cause]),
      [['x', 'start-failed']],
    );
    await sandboxes.delete('default', 'a');
    assert.equal(quits.length, 1);
    assert.equal(sandbox.exit?.exitStatus, 7);
  });

  test('runs when a daemon breaks down after its VMM has come', async () => {
    await using programs = await temporaryDirectory();
    const quits: Quit[] = [];
    const daemon = await nodeFixture('quits-after-connect', programs.path);
    await using own = await openTestHost({ daemon, onQuit: (quit) => quits.push(quit) });
    const { shares, ended } = await own.host.sandboxes.create(request('a', { tag: 'x' }));
    using _ = await connectVhostUser(shares[0]?.socketPath ?? '');
    assert.equal((await ended).exitStatus, 5);
    assert.deepEqual(
      quits.map(({ exit }) => exit.cause),
      ['failed'],
    );
  });

  test('never runs for a stop of ours', async () => {
    const quits: Quit[] = [];
    {
      await using own = await openTestHost({ onQuit: (quit) => quits.push(quit) });
      await own.host.sandboxes.create(request('a', { tag: 'x' }));
      await own.host.sandboxes.create(request('b', { tag: 'x' }));
      await own.host.sandboxes.delete('default', 'a');
    }
    assert.deepEqual(quits, []);
  });

  test('is logged and nothing more when it throws', async () => {
    await using own = await openTestHost({
      daemon: 'exits-early',
      onQuit: () => {
        throw new Error('of the callback');
      },
    });
    const { ended } = await own.host.sandboxes.create(request('a', { tag: 'x' }));
    await ended;
    await eventually('it is logged', () => own.captured.withMessage('The quit callback failed').length === 1);
  });

  test('tells a signal as a shell does', async () => {
    await using own = await openTestHost();
    const { shares, ended } = await own.host.sandboxes.create(request('a', { tag: 'x' }));
    process.kill(shares[0]?.pid ?? 0, 'SIGKILL');
    assert.equal((await ended).exitStatus, 137);
  });
});
