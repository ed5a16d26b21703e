import assert from 'node:assert/strict';
import { once } from 'node:events';
import { renameSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { isConnected } from '../../src/proc/unix-sockets.ts';
import { eventually } from '../harness/eventually.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

describe('isConnected()', () => {
  test('tells of an accepted client by the name that was bound, until it has gone', async () => {
    await using directory = await temporaryDirectory();
    const bound = join(directory.path, 'with space.new');
    const path = join(directory.path, 'named.sock');
    const accepted: Socket[] = [];
    const server = createServer((socket) => accepted.push(socket.resume())).listen(bound);
    await once(server, 'listening');
    renameSync(bound, path);
    try {
      assert.equal(isConnected(bound), false);
      const client = connect(path);
      await eventually('it is accepted', () => accepted.length === 1);
      assert.deepEqual([isConnected(bound), isConnected(path), isConnected('')], [true, false, false]);
      client.destroy();
      await eventually('it has gone', () => !isConnected(bound));
    } finally {
      for (const socket of accepted) socket.destroy();
      server.close();
    }
  });
});
