import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { foreignSocketFinder } from '../../src/proc/foreign-socket.ts';
import { eventually } from '../harness/eventually.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

const skip = process.getuid?.() !== 0 && 'a network namespace needs root';
const CLIENT =
  "require('net').connect(process.argv[1]).resume(); process.stdin.on('close', process.exit).resume()";

describe('foreignSocketFinder()', { skip }, () => {
  test('finds what a client of another network namespace is accepted as, until it has gone, and no other', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'a.sock');
    const accepted: Socket[] = [];
    const server = createServer((socket) => accepted.push(socket.resume())).listen(path);
    const onNetwork = createServer().listen(0, '127.0.0.1');
    await Promise.all([once(server, 'listening'), once(onNetwork, 'listening')]);
    const foreign = foreignSocketFinder(process.pid);
    const command = [process.execPath, '-e', CLIENT, path];
    try {
      const native = execa(command[0] ?? '', command.slice(1), { reject: false });
      await eventually('one of ours is accepted', () => accepted.length === 1);
      assert.equal(foreign.holdsOne(), false);
      const client = execa('unshare', ['--net', ...command], { reject: false });
      await eventually('the other is accepted', () => accepted.length === 2);
      for (const _ of [1, 2]) assert.equal(foreign.holdsOne(), true);
      client.stdin.end();
      await client;
      await eventually('it has gone', () => !foreign.holdsOne());
      native.stdin.end();
      await native;
    } finally {
      for (const socket of accepted) socket.destroy();
      for (const each of [server, onNetwork]) each.close();
    }
  });

  test('finds none of a process that has gone', () => {
    assert.equal(foreignSocketFinder(2 ** 22 + 1).holdsOne(), false);
  });
});
