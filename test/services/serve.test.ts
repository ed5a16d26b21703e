import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { Code } from 'ttrpc-ts';
import { serve } from '../../src/services/serve.ts';
import { openTestHost, serveTestHost } from '../harness/test-host.ts';

describe('serve()', () => {
  test('listens where only the owner can connect, and removes the socket at the end', async () => {
    await using own = await openTestHost();
    const serving = await serve(own.host);
    assert.equal(serving.address, join(own.state, 'host.sock'));
    assert.equal(statSync(serving.address).mode & 0o777, 0o600);
    await serving[Symbol.asyncDispose]();
    assert.equal(existsSync(serving.address), false);
  });

  test('leaves the sandboxes alone when it ends', async () => {
    await using own = await openTestHost();
    const serving = await serve(own.host);
    const share = await own.host.openShare({ sandboxId: 'a', tag: 'x' });
    await serving[Symbol.asyncDispose]();
    assert.equal(existsSync(share.socketPath), true);
    assert.equal(own.host.sandboxes.size, 1);
  });

  test('listens on the configured address and makes its directory', async () => {
    await using directory = await openTestHost();
    const address = join(directory.path, 'run', 'deep', 'ttrpc.sock');
    await using own = await serveTestHost({ config: { ttrpc: { address } } });
    assert.equal(own.address, address);
    assert.equal(statSync(join(directory.path, 'run')).mode & 0o777, 0o700);
    await own.client.platform({ sandboxId: 'a' });
  });

  test('takes the place of a socket whose server was killed', async () => {
    await using directory = await openTestHost();
    const address = join(directory.path, 'stale.sock');
    const code = `require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
    await execa(process.execPath, ['-e', code, address], { reject: false });
    assert.equal(statSync(address).isSocket(), true);
    await using own = await serveTestHost({ config: { ttrpc: { address } } });
    await own.client.platform({ sandboxId: 'a' });
  });

  test('rejects with AlreadyExists while another server answers there, and leaves it alone', async () => {
    await using directory = await openTestHost();
    const address = join(directory.path, 'taken.sock');
    const server = createServer().listen(address);
    try {
      await assert.rejects(serveTestHost({ config: { ttrpc: { address } } }), {
        code: Code.AlreadyExists,
        message: `Another server answers on "${address}": end it, or set another ttrpc.address`,
      });
      assert.equal(existsSync(address), true);
    } finally {
      server.close();
    }
  });

  test('never removes what is no socket', async () => {
    await using directory = await openTestHost();
    const address = join(directory.path, 'precious');
    writeFileSync(address, 'kept');
    await assert.rejects(serveTestHost({ config: { ttrpc: { address } } }), { code: Code.AlreadyExists });
    assert.equal(readFileSync(address, 'utf8'), 'kept');
  });
});
