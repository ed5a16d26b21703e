import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, mock, test } from 'node:test';
import { watchConnection } from '../../src/daemon/connection-watch.ts';
import { identify } from '../../src/proc/stat.ts';
import { eventually } from '../harness/eventually.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

describe('watchConnection()', () => {
  test('takes a VMM for left when it is missed twice in a row, not when it was seen in between', async (t) => {
    await using directory = await temporaryDirectory();
    const boundPath = join(directory.path, 'a.sock');
    mock.timers.enable({ apis: ['setInterval'] });
    t.after(() => mock.timers.reset());
    const events: string[] = [];
    using watching = watchConnection({
      identity: identify(process.pid) ?? assert.fail('not alive'),
      boundPath,
      hadClient: () => true,
      onClient: () => void events.push('client'),
      onLeft: () => void events.push('left'),
    });
    const sweep = (): string[] => {
      mock.timers.tick(500);
      return events.splice(0);
    };
    assert.deepEqual([sweep(), watching.hasClient()], [[], false]);
    {
      const accepted: Socket[] = [];
      const server = createServer((socket) => accepted.push(socket)).listen(boundPath);
      await once(server, 'listening');
      const client = connect(boundPath);
      await eventually('it is accepted', () => accepted.length === 1);
      assert.deepEqual([sweep(), watching.hasClient()], [['client'], true]);
      for (const socket of [client, ...accepted]) socket.destroy();
      const closed = once(server, 'close');
      server.close();
      await eventually('it has gone', () => !watching.hasClient());
      await closed;
    }
    assert.deepEqual([sweep(), sweep(), sweep()], [[], ['client', 'left'], []]);
  });
});
