import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { parseConfig } from '../../../src/config/read.ts';
import {
  createContainerdAddress,
  type ContainerdAddress,
} from '../../../src/services/events/containerd-address.ts';
import { fixture } from '../../harness/fixtures.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';

const addressOf = (ttrpcAddress?: string): ContainerdAddress =>
  createContainerdAddress(
    parseConfig({
      version: 1,
      state: '/srv/state',
      containerd: ttrpcAddress === undefined ? {} : { ttrpc_address: ttrpcAddress },
    }),
  );

describe('createContainerdAddress()', () => {
  test('knows none until a start was told one, and then the last one', () => {
    const address = addressOf();
    assert.equal(address.current(), undefined);
    address.told('/run/a.sock.ttrpc');
    address.told('unix:///run/b.sock.ttrpc');
    assert.equal(address.current(), '/run/b.sock.ttrpc');
    for (const other of ['', 'relative', `/${'x'.repeat(107)}`]) address.told(other);
    assert.equal(address.current(), '/run/b.sock.ttrpc');
  });

  test('knows what the start was told that started this process', () => {
    process.env['TTRPC_ADDRESS'] = '/run/a.sock.ttrpc';
    try {
      assert.equal(addressOf().current(), '/run/a.sock.ttrpc');
    } finally {
      delete process.env['TTRPC_ADDRESS'];
    }
  });

  test('keeps to the configuration', () => {
    const address = addressOf('/run/c.sock.ttrpc');
    address.told('/run/a.sock.ttrpc');
    assert.equal(address.current(), '/run/c.sock.ttrpc');
    const off = addressOf('');
    off.told('/run/a.sock.ttrpc');
    assert.equal(off.current(), undefined);
  });

  // Needs root: what stands at the default places is in a mount namespace of its own.
  test("finds containerd's default socket when it is there, for a host on the default state directory", async () => {
    await using directory = await temporaryDirectory();
    const script = 'mount -t tmpfs none /run && mkdir /run/containerd && exec "$@"';
    const program = [fixture('publishes-by-default.ts'), join(directory.path, 'scratch')];
    const { stdout, stderr, exitCode } = await execa(
      'unshare',
      ['--mount', 'sh', '-c', script, 'sh', process.execPath, ...program],
      { reject: false },
    );
    assert.equal(exitCode, 0, stderr);
    assert.deepEqual(stdout.split('\n'), [
      'nothing',
      'nothing of another state',
      '/sandboxes/create before',
      '/sandboxes/create after',
    ]);
  });
});
