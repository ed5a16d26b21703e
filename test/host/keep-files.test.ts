import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { connect, createClient } from 'ttrpc-ts';
import { openHost } from '../../src/host/host.ts';
import { Sandbox } from '../../src/proto/containerd/sandbox_pb.ts';
import { captureLog } from '../harness/captured-log.ts';
import { eventually } from '../harness/eventually.ts';
import { openTestHost, serveTestHost } from '../harness/test-host.ts';

describe('a living host makes again what somebody removed:', () => {
  test('its socket, address and pid', async () => {
    await using own = await serveTestHost();
    const { address, pid } = own.host.stateDir.host;
    const [formerAddress, formerPid] = [readFileSync(address, 'utf8'), readFileSync(pid, 'utf8')];
    const files = [own.address, address, pid];
    for (const file of files) rmSync(file);
    await eventually('they are there', () => files.every((file) => existsSync(file)));
    assert.deepEqual([readFileSync(address, 'utf8'), readFileSync(pid, 'utf8')], [formerAddress, formerPid]);
    await using transport = await connect({ path: own.address });
    await createClient(Sandbox, transport).platform({ sandboxId: 'a' });
    await eventually(
      'it says so',
      () =>
        own.captured.withMessage('Somebody removed files of this host; they are there again').length === 1,
    );
  });

  test('the folders of its state, and has a use for the new ones', async () => {
    await using own = await openTestHost();
    const { stateDir } = own.host;
    await using before = await own.host.openShare({ sandboxId: 'a', tag: 'x', source: own.source });
    await before[Symbol.asyncDispose]();
    await eventually('a starter is ready', () => readdirSync(stateDir.socketDirectory).length === 1);
    assert.equal(stateDir.folders.length, 6);
    for (const folder of stateDir.folders) rmSync(folder, { recursive: true, force: true });
    await eventually('they are there', () => stateDir.folders.every((folder) => existsSync(folder)));
    for (const folder of stateDir.folders) assert.equal(statSync(folder).mode & 0o777, 0o700);

    await using share = await own.host.openShare({ sandboxId: 'a', tag: 'x' });
    await share.ready;
    assert.equal(statSync(share.socketPath).isSocket(), true);
    writeFileSync(stateDir.deletion('default', 'a'), '');
    await eventually('the mark is gone', () => readdirSync(stateDir.deletionDirectory).length === 0);
    await share.closed;
    assert.equal(existsSync(share.socketPath), false);
  });

  test('its lock, so that no other host gets the state', async () => {
    await using own = await serveTestHost();
    rmSync(own.host.stateDir.host.lock);
    const message = 'Somebody removed the lock of this host; it is taken again';
    await eventually('it is taken again', () => own.captured.withMessage(message).length === 1);
    await assert.rejects(
      openHost({ config: { version: 1, state: own.state, scratch_dir: own.state }, log: captureLog().log }),
      {
        message: /Another host uses/,
      },
    );
  });
});
