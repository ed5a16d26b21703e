import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { describeVirtiofsd } from '../../plugin/virtiofs/virtiofsd.ts';
import { explainEnd } from '../../plugin/virtiofs/words.ts';
import { superviseDaemon } from '../../src/daemon/daemon.ts';
import { watchedProcess } from '../../src/daemon/process.ts';
import type { DaemonError, ExitCause } from '../../src/errors.ts';
import { eventually } from '../harness/eventually.ts';
import { executable, fixture } from '../harness/fixtures.ts';
import { memoryCgroup } from '../harness/memory-cgroup.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { daemonPlace } from '../harness/test-daemon.ts';
import { connectVhostUser } from '../harness/vhost-user.ts';
import { realVirtiofsds, type RealVirtiofsd } from '../harness/virtiofsds.ts';
import { assertCause, openWatched, type WatchedShare } from '../harness/watched-share.ts';

// These start real virtiofsds in namespaces of their own, and so need root.

/** Asserts what `ready` rejects with. */
async function assertNeverReady({ share }: WatchedShare, cause: ExitCause, lastLine: RegExp): Promise<void> {
  await assert.rejects(share.ready, (error: DaemonError) => {
    assert.deepEqual([error.name, error.exit.cause], ['DaemonError', cause]);
    assert.match(error.message, /^Cannot start share "x": virtiofsd exited with code [12]: \S/);
    assert.match(error.lastLines.join('\n'), lastLine);
    return true;
  });
}

const workerOf = ({ share: { pid } }: WatchedShare): number =>
  Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ')[0]);

const virtiofsds = await realVirtiofsds();
const [c] = virtiofsds;

for (const virtiofsd of virtiofsds) {
  const { name, dialect, path, skip } = virtiofsd;
  const isC = dialect === 'c';

  describe(`the end of ${name} is named`, { skip }, () => {
    test('stopped, where we asked for it', async () => {
      await using own = await openWatched(virtiofsd);
      await own.share.ready;
      await own.sandbox[Symbol.asyncDispose]();
      await assertCause(
        own,
        'stopped',
        /^virtiofsd (exited with code 1|was killed by SIGTERM): it was stopped$/,
      );
    });

    test('disconnected, where its VMM left', async () => {
      await using own = await openWatched(virtiofsd);
      (await own.connect())[Symbol.dispose]();
      await assertCause(own, 'disconnected', 'virtiofsd exited with code 0: its VMM has left');
    });

    test('crashed, by a signal of its own', async () => {
      await using own = await openWatched(virtiofsd);
      await own.connect();
      process.kill(own.share.pid, 'SIGABRT');
      await assertCause(own, 'crashed', 'virtiofsd was killed by SIGABRT');
    });

    test('crashed, by a signal of its worker', async () => {
      await using own = await openWatched(virtiofsd);
      await own.connect();
      await eventually('it has a worker', () => workerOf(own) > 0);
      process.kill(workerOf(own), 'SIGKILL');
      const told = isC
        ? /^virtiofsd exited with code 1, its worker killed by an unknown signal$/
        : /^virtiofsd exited with code 247, its worker killed by SIGKILL: .*terminated by signal 9$/;
      const { workerSignal } = await assertCause(own, 'crashed', told);
      assert.equal(workerSignal, isC ? 'an unknown signal' : 'SIGKILL');
    });

    test('no departure of its VMM, where a SIGTERM of others came while that was there', async () => {
      await using own = await openWatched(virtiofsd);
      await own.connect();
      process.kill(own.share.pid, 'SIGTERM');
      const [cause, code, status] = isC ? (['crashed', 0, 255] as const) : (['failed', 1, 1] as const);
      const { message } = await assertCause(own, cause, new RegExp(`^virtiofsd exited with code ${code}: `));
      assert.equal(message.endsWith(': a signal from elsewhere ended it'), isC, message);
      assert.equal((await own.sandbox.ended).exitStatus, status);
    });

    test('seccomp, by the signal of a filter', async () => {
      await using own = await openWatched(virtiofsd);
      await own.connect();
      process.kill(own.share.pid, 'SIGSYS');
      const why = 'its seccomp filter forbids a system call';
      await assertCause(own, 'seccomp', `virtiofsd was killed by SIGSYS: ${why}`);
    });

    test('out-of-memory, where the kernel killed its worker for want of it', async (context) => {
      using cgroup = memoryCgroup(16 << 20);
      if (!cgroup) return context.skip('No memory cgroup can be made here');
      await using programs = await temporaryDirectory();
      // The kernel's log knows a worker by its name only, and keeps that of earlier tests.
      const unique = `vfsd-${randomBytes(4).toString('hex')}`;
      const daemon = join(programs.path, unique);
      await symlink(path, daemon);
      await using own = await openWatched(virtiofsd, { daemon });
      await own.connect();
      await eventually('it has a worker', () => workerOf(own) > 0);
      await using place = await daemonPlace();
      const args = [cgroup.path, join(place.path, unique)];
      await (
        await place.start(fixture('eats-memory'), { args, name: 'eater' })
      ).exited;
      process.kill(workerOf(own), 'SIGKILL');
      const told =
        /, its worker killed by (SIGKILL|an unknown signal): memory was short, and the kernel killed it: raise /;
      await assertCause(own, 'out-of-memory', told);
    });

    test('usage, where it does not take its arguments', async () => {
      const args = { virtio_fs_extra_args: ['--no-such-argument'], virtio_fs_allow_unknown_args: true };
      await using own = await openWatched(virtiofsd, { virtiofs: args });
      await assertNeverReady(own, 'usage', /no-such-argument/);
      await assertCause(own, 'usage', /no-such-argument/);
    });

    test('start-failed, where its directory goes before it looks', async () => {
      await using programs = await temporaryDirectory();
      const source = join(programs.path, 'source');
      await mkdir(source);
      const script = `#!/bin/sh\nrmdir '${source}'\nexec '${path}' "$@"\n`;
      const daemon = await executable(join(programs.path, 'virtiofsd'), script);
      await using own = await openWatched(virtiofsd, { daemon, source });
      await assertNeverReady(own, 'start-failed', /./);
      await assertCause(own, 'start-failed', /No such file or directory|does not exist/);
    });

    test('no-client, where its VMM does not come in time', async () => {
      await using own = await openWatched(virtiofsd, { virtiofs: { virtio_fs_client_timeout_ms: 50 } });
      await own.share.ready;
      const check = 'check that the VMM runs and was given this socket, or raise virtio_fs_client_timeout_ms';
      const { message } = await assertCause(
        own,
        'no-client',
        /^virtiofsd (exited with code 1|was killed by SIGTERM): /,
      );
      const why = `no VMM connected to "${own.share.socketPath}" within 50 ms: ${check}`;
      assert.equal(message.endsWith(`: ${why}`), true, message);
    });

    test('disconnected, where nobody knows its status, and by its words', async () => {
      await using place = await daemonPlace();
      const daemon = await place.startVirtiofsd({ daemonPath: path, dialect });
      await daemon.ready;
      const { socketPath, outputPath, captured } = place;
      const settings = { cache: 'auto', syslog: false, debug: false, readOnly: false, extraArgs: [] };
      const times = { startTimeoutMs: 600_000, clientTimeoutMs: 0, stopTimeoutMs: 600_000 };
      const rest = { allowUnknownArgs: false, dialect, sourcePath: place.path };
      const watched = superviseDaemon({
        spec: { ...describeVirtiofsd({ ...settings, ...times, ...rest }), socketPath, outputPath },
        program: daemon.program,
        process: watchedProcess(daemon.identity, { intervalMs: 5 }),
        log: captured.log,
        startedBy: undefined,
        boundPath: '/nowhere/daemon.sock',
        removeSocket: () => {},
      });
      using client = await connectVhostUser(socketPath);
      await client.getFeatures();
      await eventually('it says that a client has come', () => watched.state === 'connected');
      client[Symbol.dispose]();
      const { cause, message, exitCode, signal } = await watched.exited;
      assert.deepEqual([cause, exitCode, signal], ['disconnected', undefined, undefined]);
      assert.equal(message, 'virtiofsd ended with an unknown status: its VMM has left');
    });

    test('not no-client, where its VMM came and the line that tells it was lost', async () => {
      await using place = await daemonPlace();
      const args = isC
        ? ['-f', '-o', `source=${place.path}`, '--fd=0']
        : ['--fd=0', '--shared-dir', place.path];
      const spec = { connectedLine: /(?!)/, clientTimeoutMs: 500, explainEnd };
      const daemon = await place.start(path, { args, ...spec });
      using client = await connectVhostUser(place.socketPath);
      await client.getFeatures();
      await eventually(
        'it counts as connected',
        () => daemon.state !== 'waiting' && daemon.state !== 'starting',
      );
      assert.equal(daemon.state, 'connected');
      client[Symbol.dispose]();
      assert.equal((await daemon.exited).cause, 'disconnected');
    });

    test('failed, where it ended by itself, as for a SIGTERM of others', async () => {
      await using own = await openWatched(virtiofsd);
      await own.share.ready;
      // The C one loses one that comes just before it waits.
      await eventually('it has ended', () => {
        if (own.share.status().state !== 'exited') process.kill(own.share.pid, 'SIGTERM');
        return own.share.status().state === 'exited';
      });
      await assertCause(own, 'failed', /^virtiofsd exited with code 1: /);
    });
  });
}

describe('the end of the C virtiofsd whose filter killed its worker', { skip: whyNoFilter(c) }, () => {
  test('is named seccomp, although it only ends with 1', async () => {
    assert.ok(c);
    await using own = await openWatched(c, { virtiofs: { virtio_fs_syslog: true } });
    await own.share.ready;
    using _ = await connectVhostUser(own.share.socketPath);
    const why = 'its seccomp filter forbids system call';
    await assertCause(
      own,
      'seccomp',
      new RegExp(`^virtiofsd exited with code 1, .* by SIGSYS: ${why} \\d+$`),
    );
  });
});

/** Without /dev/log it makes a socket of which its filter knows nothing, when its VMM comes. */
function whyNoFilter(virtiofsd: RealVirtiofsd | undefined): string | false {
  if (existsSync('/dev/log')) return 'The C virtiofsd finds /dev/log, and is not killed for want of it';
  if (!isReadable('/dev/kmsg')) return "The kernel's log cannot be read here";
  return virtiofsd?.skip ?? false;
}

function isReadable(path: string): boolean {
  try {
    closeSync(openSync(path, 'r'));
    return true;
  } catch {
    return false;
  }
}
