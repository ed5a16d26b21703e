import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { describeLeaks, findLeaks } from './leaks.ts';
import { observe, parseSockets } from './machine.ts';
import { reportLeaks } from './report-leaks.ts';

describe('findLeaks()', () => {
  test('names the processes, sockets and files of the run and nothing else', async ({ mock }) => {
    const before = await observe();
    const temporary = await mkdtemp(join(tmpdir(), 'csv-leaks-'));
    const marked = execa('sleep', ['600'], { env: { TMPDIR: temporary }, reject: false });
    const unmarked = execa('sleep', ['600'], { reject: false });
    const server = createServer().listen(join(temporary, 'a.sock'));
    await once(server, 'listening');
    const files = [join(temporary, 'a.sock')];
    const leaks = findLeaks({ before, after: await observe(), temporary, files, isStrict: false });
    assert.deepEqual(describeLeaks(leaks), [
      `process ${marked.pid}: sleep 600`,
      `unix socket ${temporary}/a.sock`,
      `temporary file ${temporary}/a.sock`,
    ]);
    await once(server.close(), 'close');
    unmarked.kill();
    const { mock: said } = mock.method(console, 'error', () => {});
    assert.equal(await reportLeaks({ before, temporary, isStrict: false, graceMs: 0 }), false);
    assert.deepEqual(said.calls[0]?.arguments, [
      `The tests left behind:\n  process ${marked.pid}: sleep 600`,
    ]);
    assert.equal((await marked).signal, 'SIGKILL');
    await unmarked;
  });

  test('blames a strict run for new processes of our programs wherever they came from', () => {
    const nothing = { processes: [], sockets: ['/run/other'], mounts: [] };
    const daemon = {
      pid: 7,
      startTime: 1,
      name: 'virtiofsd',
      command: '/usr/lib/qemu/virtiofsd -f',
      environment: '',
    };
    const after = {
      processes: [daemon],
      sockets: ['/run/other', '/run/containerd/x'],
      mounts: ['/mnt', '/csv-1/m'],
    };
    const options = { before: nothing, after, temporary: '/tmp/csv-x', files: [] };
    assert.deepEqual(describeLeaks(findLeaks({ ...options, isStrict: false })), []);
    assert.deepEqual(describeLeaks(findLeaks({ ...options, isStrict: true })), [
      'process 7: /usr/lib/qemu/virtiofsd -f',
      'unix socket /run/containerd/x',
      'mount /csv-1/m',
    ]);
  });
});

test('parseSockets() reads bound and abstract names and skips the rest', () => {
  const table = `Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 17 /run/a b.sock
0000000000000000: 00000003 00000000 00000000 0001 03 18
0000000000000000: 00000002 00000000 00010000 0001 01 19 @abstract
`;
  assert.deepEqual(parseSockets(table), ['/run/a b.sock', '@abstract']);
});
