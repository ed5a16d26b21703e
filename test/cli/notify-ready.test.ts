import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { notifyReady } from '../../src/cli/notify-ready.ts';
import { captureLog } from '../harness/captured-log.ts';
import { eventually } from '../harness/eventually.ts';
import { fixture } from '../harness/fixtures.ts';
import { openNotifySocket } from '../harness/notify-socket.ts';
import { startServe } from '../harness/serve-process.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { findProgram } from '../setup/find-program.ts';

const skip = findProgram('systemd-notify') ? false : 'needs systemd-notify';

describe('notifyReady()', () => {
  test('has a host tell systemd that it serves, with its own pid', { skip }, async () => {
    await using directory = await temporaryDirectory();
    await using systemd = await openNotifySocket(join(directory.path, 'notify'));
    const environment = { NOTIFY_SOCKET: systemd.path };
    await using host = await startServe(directory.path, { daemon: fixture('waits'), environment });
    await eventually('it is told', () => systemd.lines.includes('READY=1'));
    assert.ok(systemd.lines.includes(`MAINPID=${host.pid}`));
    assert.equal(existsSync(join(directory.path, 'state/host.address')), true);
  });

  test('says nothing where no systemd asks for it', async () => {
    const { log, lines } = captureLog();
    await notifyReady(log, { PATH: '/nonexistent' });
    assert.deepEqual(lines, []);
  });

  test('warns where systemd cannot be told, and the host goes on', async () => {
    for (const environment of [
      { NOTIFY_SOCKET: '/nonexistent/notify', PATH: process.env['PATH'] },
      { NOTIFY_SOCKET: '/nonexistent/notify', PATH: '/nonexistent' },
    ]) {
      const captured = captureLog();
      await notifyReady(captured.log, environment);
      const said = 'Cannot tell systemd that this host serves: its unit needs Type=exec then';
      assert.deepEqual(
        captured.withMessage(said).map(({ level }) => level),
        ['warn'],
      );
    }
  });
});
