import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, lstatSync, symlinkSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { Code } from 'ttrpc-ts';
import { removeStaleSocket } from '../../src/services/address.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

/** Has perl listen in a way that Node.js cannot, and say so; it stays until its input ends. */
async function listenWith(code: string, path: string): Promise<AsyncDisposable> {
  const listener = execa(
    'perl',
    ['-MIO::Socket::UNIX', '-MSocket', '-e', `${code}; $| = 1; print "on\\n"; <STDIN>`, path],
    { reject: false, buffer: false },
  );
  await once(createInterface(listener.stdout), 'line');
  return {
    async [Symbol.asyncDispose]() {
      listener.stdin.end();
      await listener;
    },
  };
}

/** Connects until the kernel takes no more. */
async function fillBacklog(path: string): Promise<Disposable> {
  const sockets: Socket[] = [];
  for (;;) {
    const socket = connect(path);
    sockets.push(socket);
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    if (!(await once(socket, 'connect').then(Boolean, () => false))) break;
  }
  return { [Symbol.dispose]: () => sockets.forEach((socket) => socket.destroy()) };
}

const CANNOT =
  /^"\S+" is a socket to which nobody can connect now \(.+\): end it, or set another ttrpc.address$/;

describe('removeStaleSocket()', () => {
  test('leaves a datagram socket alone', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'datagram.sock');
    const code = 'my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $ARGV[0]) or die';
    await using _ = await listenWith(code, path);
    await assert.rejects(removeStaleSocket({ address: path, key: 'ttrpc.address' }), {
      code: Code.AlreadyExists,
      message: CANNOT,
    });
    assert.equal(lstatSync(path).isSocket(), true);
  });

  test('leaves a server alone that is too busy to accept', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'busy.sock');
    const code = 'my $s = IO::Socket::UNIX->new(Type => SOCK_STREAM, Local => $ARGV[0], Listen => 1) or die';
    await using _ = await listenWith(code, path);
    using backlog = await fillBacklog(path);
    assert.ok(backlog);
    await assert.rejects(removeStaleSocket({ address: path, key: 'ttrpc.address' }), {
      code: Code.AlreadyExists,
      message: CANNOT,
    });
    assert.equal(lstatSync(path).isSocket(), true);
  });

  test('removes a socket whose server has gone, and takes a missing one for removed', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'stale.sock');
    const code = 'my $s = IO::Socket::UNIX->new(Type => SOCK_STREAM, Local => $ARGV[0], Listen => 1) or die';
    await (await listenWith(code, path))[Symbol.asyncDispose]();
    assert.equal(lstatSync(path).isSocket(), true);
    await removeStaleSocket({ address: path, key: 'ttrpc.address' });
    assert.equal(existsSync(path), false);
    await removeStaleSocket({ address: path, key: 'ttrpc.address' });
  });

  test('follows no link', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'stale.sock');
    const link = join(directory.path, 'link');
    const code = 'my $s = IO::Socket::UNIX->new(Type => SOCK_STREAM, Local => $ARGV[0], Listen => 1) or die';
    await (await listenWith(code, path))[Symbol.asyncDispose]();
    symlinkSync(path, link);
    await removeStaleSocket({ address: link, key: 'ttrpc.address' });
    assert.equal(lstatSync(link).isSymbolicLink(), true);
    assert.equal(existsSync(path), true);
  });
});
