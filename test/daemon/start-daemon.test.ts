import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { eventually } from '../harness/eventually.ts';
import { executable, fixture, nodeFixture } from '../harness/fixtures.ts';
import { isGone } from '../harness/leftovers.ts';
import { daemonPlace } from '../harness/test-daemon.ts';
import { connectVhostUser } from '../harness/vhost-user.ts';

describe('startDaemon()', () => {
  test('gives the daemon the socket as standard input, blocking, and nothing else of ours', async () => {
    await using place = await daemonPlace();
    // What whoever started this test left open in it, without close-on-exec.
    const plain = spawn('sleep', ['60']);
    const inherited = new Set(
      descriptorsOf(plain.pid as number).flatMap(([fd, target]) => (Number(fd) > 2 ? [target] : [])),
    );
    plain.kill();
    // Open in this process: what must not reach the daemon.
    const extra = openSync('/dev/zero', 'r');
    const { identity, ready } = await place.start(fixture('waits'));
    await ready;
    const proc = `/proc/${identity.pid}`;
    const own = (): [string, string][] =>
      descriptorsOf(identity.pid).filter(([, target]) => !inherited.has(target));
    // The program that the fixture becomes has its libraries open while it loads them.
    let descriptors: [string, string][] = [];
    await eventually('three descriptors are open', () => {
      descriptors = own();
      return descriptors.length === 3;
    });
    const output = place.outputPath;
    assert.deepEqual(descriptors.slice(1), [
      ['1', output],
      ['2', output],
    ]);
    assert.match(String(descriptors[0]), /^0,socket:/);
    const flags = /flags:\s+(\d+)/.exec(await readFile(`${proc}/fdinfo/0`, 'utf8'))?.[1] ?? '';
    const O_NONBLOCK = 0o4000;
    assert.equal(Number.parseInt(flags, 8) & O_NONBLOCK, 0);
    closeSync(extra);
  });

  test('appends the output to a file, so that truncating it leaves no hole', async () => {
    await using place = await daemonPlace();
    const { identity, ready } = await place.start(fixture('waits'));
    await ready;
    const flags = /flags:\s+(\d+)/.exec(await readFile(`/proc/${identity.pid}/fdinfo/2`, 'utf8'))?.[1] ?? '';
    const O_APPEND = 0o2000;
    assert.equal(Number.parseInt(flags, 8) & O_APPEND, O_APPEND);
  });

  test('gives the daemon a session of its own, the root as directory and no secrets', async () => {
    await using place = await daemonPlace();
    process.env['CSV_TEST_SECRET'] = 'secret';
    process.env['RUST_LOG'] = 'error';
    try {
      const { identity, ready } = await place.start(fixture('waits'));
      await ready;
      const environment = await readFile(`/proc/${identity.pid}/environ`, 'utf8');
      const names = environment.split('\0').map((entry) => entry.split('=')[0] ?? '');
      const known = new Set(['', 'PATH', 'HOME', 'TMPDIR', 'RUST_BACKTRACE', 'PWD', 'OLDPWD', '_', 'SHLVL']);
      // RUST_LOG would silence the line that says it waits.
      assert.deepEqual(
        names.filter((name) => !known.has(name)),
        [],
      );
      assert.equal(readlinkSync(`/proc/${identity.pid}/cwd`), '/');
      const stat = await readFile(`/proc/${identity.pid}/stat`, 'latin1');
      const [, , group, session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      assert.deepEqual([group, session], [`${identity.pid}`, `${identity.pid}`]);
    } finally {
      delete process.env['CSV_TEST_SECRET'];
      delete process.env['RUST_LOG'];
    }
  });

  test('logs each line of output with its source, and is ready at the line that says so', async () => {
    await using place = await daemonPlace();
    const daemon = await place.start(fixture('waits'));
    assert.equal(daemon.state, 'starting');
    await daemon.ready;
    assert.equal(daemon.state, 'waiting');
    const [line] = place.captured.withMessage('Waiting for vhost-user socket connection...');
    assert.deepEqual(
      [line?.level, line?.['source'], line?.['pid']],
      ['info', 'virtiofsd', daemon.identity.pid],
    );
    assert.deepEqual(daemon.lastLines, ['Waiting for vhost-user socket connection...']);
  });

  test('says with exit status and last lines why a daemon ended at once, and leaves nothing', async () => {
    await using place = await daemonPlace();
    const daemon = await place.start(fixture('exits-early'));
    await assert.rejects(daemon.ready, {
      name: 'DaemonError',
      code: Code.FailedPrecondition,
      message: 'virtiofsd exited with code 7: cannot open the directory: it is a teapot',
      exit: { cause: 'start-failed', exitCode: 7, signal: undefined },
      lastLines: ['reading the settings', 'cannot open the directory: it is a teapot'],
    });
    const { uptimeMs, exitedAt, ...exit } = await daemon.exited;
    assert.deepEqual([uptimeMs > 0, exitedAt <= new Date()], [true, true]);
    assert.deepEqual(exit, {
      exitCode: 7,
      signal: undefined,
      cause: 'start-failed',
      message: 'virtiofsd exited with code 7: cannot open the directory: it is a teapot',
      lastLines: ['reading the settings', 'cannot open the directory: it is a teapot'],
    });
    assert.equal(daemon.state, 'exited');
    assert.deepEqual(await readdir(place.path), ['daemon.log']);
  });

  test('says what a file that is no program came to', async () => {
    await using place = await daemonPlace();
    const command = await executable(join(place.path, 'virtiofsd'), '\u007fELF garbage\n');
    const daemon = await place.start(command);
    await assert.rejects(daemon.ready, {
      name: 'DaemonError',
      message: /^virtiofsd exited with code 12[67]: /,
    });
  });

  test('says why a script without its interpreter did not run, and leaves no socket', async () => {
    await using place = await daemonPlace();
    const command = await executable(join(place.path, 'virtiofsd'), '#!/nonexistent/interpreter\n');
    const daemon = await place.start(command);
    await assert.rejects(daemon.ready, {
      name: 'DaemonError',
      message: new RegExp(`^virtiofsd exited with code 12[67]: .*${command}`),
    });
    assert.deepEqual((await readdir(place.path)).toSorted(), ['daemon.log', 'virtiofsd']);
  });

  test('rejects and ends the process when the socket cannot get its name', async () => {
    await using place = await daemonPlace();
    const socketPath = join(place.path, 'taken');
    await mkdir(socketPath);
    const command = await executable(
      join(place.path, 'records'),
      `#!/bin/sh\necho $$ >'${place.path}/pid'\nexec sleep 600\n`,
    );
    await assert.rejects(place.start(command, { socketPath }), { code: 'EISDIR' });
    const pid = await readFile(join(place.path, 'pid'), 'utf8').catch(() => '');
    await eventually('the process is gone', () => pid === '' || isGone(Number(pid)));
  });

  test('rejects with DeadlineExceeded a daemon that never says it waits, which then still can be stopped', async () => {
    await using place = await daemonPlace();
    const daemon = await place.start(fixture('never-ready'), { startTimeoutMs: 20 });
    await assert.rejects(daemon.ready, { name: 'DaemonError', code: Code.DeadlineExceeded });
    assert.equal((await daemon.stop()).cause, 'stopped');
    assert.equal(isGone(daemon.identity.pid), true);
  });

  test('takes a daemon that will not say as ready when it lives', async () => {
    await using place = await daemonPlace();
    const daemon = await place.start(fixture('never-ready'), { ready: { settleMs: 20 }, startTimeoutMs: 1 });
    await daemon.ready;
    assert.equal(daemon.state, 'waiting');
  });

  test('bounds what a flood of output costs, and still has its last line', async () => {
    await using place = await daemonPlace();
    const daemon = await place.start(fixture('floods-stderr'));
    const { exitCode, lastLines } = await daemon.exited;
    assert.equal(exitCode, 3);
    assert.equal(lastLines.at(-1), 'the last line');
    assert.equal(lastLines.length, 20);
    const { size } = statSync(place.outputPath);
    assert.equal(size <= 1 << 20, true, `${size} bytes are left`);
  });

  test('never takes a client from the daemon: it waits in line until the daemon accepts', async () => {
    await using place = await daemonPlace();
    const command = await nodeFixture('quits-after-connect', place.path);
    const daemon = await place.start(command, { connectedLine: /Client connected/ });
    // The program has not run yet; the socket listens.
    using client = await connectVhostUser(place.socketPath);
    const { cause, exitCode, lastLines } = await daemon.exited;
    assert.deepEqual([cause, exitCode, lastLines.at(-1)], ['failed', 5, 'out of file descriptors']);
    await client.closed;
    await assert.rejects(connectVhostUser(place.socketPath), { code: 'ENOENT' });
  });

  test('leaves a socket alone that another daemon has published since', async () => {
    await using place = await daemonPlace();
    const first = await place.start(fixture('waits'));
    const outputPath = join(place.path, 'second.log');
    const second = await place.start(fixture('waits'), { outputPath });
    await first.stop();
    using _ = await connectVhostUser(place.socketPath);
    await second.stop();
    // The next starter's socket may stand there already.
    const files = (await readdir(place.path)).filter((name) => !name.startsWith('.'));
    assert.deepEqual(files.toSorted(), ['daemon.log', 'second.log']);
  });

  test('continues the output file of an earlier daemon without reading it again', async () => {
    await using place = await daemonPlace();
    await writeFile(place.outputPath, 'Waiting for nothing: of an earlier daemon\n');
    const daemon = await place.start(fixture('exits-early'));
    const { lastLines } = await daemon.exited;
    assert.equal(lastLines.includes('Waiting for nothing: of an earlier daemon'), false);
  });
});

const descriptorsOf = (pid: number): [string, string][] =>
  readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [[fd, readlinkSync(`/proc/${pid}/fd/${fd}`)]];
    } catch {
      return []; // closed since it was listed
    }
  });
