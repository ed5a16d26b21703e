import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { probeVirtiofsd } from '../../plugin/virtiofs/probe.ts';
import { identify, isAlive } from '../../src/proc/stat.ts';
import type { DaemonError } from '../../src/errors.ts';
import { eventually } from '../harness/eventually.ts';
import { daemonPlace } from '../harness/test-daemon.ts';
import { realVirtiofsds } from '../harness/virtiofsds.ts';
import { askFeatures, connectVhostUser } from '../harness/vhost-user.ts';

// These start real virtiofsds in namespaces of their own, and so need root.

for (const { name, dialect, path, skip } of await realVirtiofsds()) {
  describe(`startVirtiofsd() with ${name}`, { skip }, () => {
    test('tells which one it is', async () => {
      const found = await probeVirtiofsd(path);
      assert.equal(found.dialect, dialect);
      assert.match(found.version, /^\d+\.\d+/);
    });

    test('is ready, answers its first client, and ends with 0 when that disconnects', async () => {
      await using place = await daemonPlace();
      const daemon = await place.startVirtiofsd({ daemonPath: path, dialect: 'auto' });
      await daemon.ready;
      assert.equal(daemon.state, 'waiting');
      const client = await connectVhostUser(place.socketPath);
      const VHOST_USER_F_PROTOCOL_FEATURES = 1n << 30n;
      assert.equal(
        (await client.getFeatures()) & VHOST_USER_F_PROTOCOL_FEATURES,
        VHOST_USER_F_PROTOCOL_FEATURES,
      );
      await eventually('it says that a client has come', () => daemon.state === 'connected');
      client[Symbol.dispose]();
      const { cause, exitCode } = await daemon.exited;
      assert.deepEqual({ cause, exitCode }, { cause: 'disconnected', exitCode: 0 });
      const errors = place.captured.lines.filter(({ level }) => level === 'error');
      assert.deepEqual(errors, []);
      assert.equal(existsSync(place.socketPath), false);
    });

    test('gets every client, however early it connects: fifty of fifty', async () => {
      for (let round = 0; round < 50; round++) {
        await using place = await daemonPlace();
        const daemon = await place.startVirtiofsd({ daemonPath: path, dialect });
        assert.notEqual(await askFeatures(place.socketPath), 0n);
        assert.equal((await daemon.exited).cause, 'disconnected');
      }
    });

    test('ends with all its processes, waiting and connected', async () => {
      // Ten times, because the C one misses a signal that comes just before it waits, more often than not.
      for (const isConnected of [false, true, ...Array.from({ length: 10 }, () => false)]) {
        await using place = await daemonPlace();
        const daemon = await place.startVirtiofsd({ daemonPath: path, dialect });
        await daemon.ready;
        using client = isConnected ? await connectVhostUser(place.socketPath) : undefined;
        await client?.getFeatures();
        const { pid } = daemon.identity;
        const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
        const identities = children
          .split(' ')
          .filter(Boolean)
          .flatMap((child) => identify(Number(child)) ?? []);
        assert.equal((await daemon.stop()).cause, 'stopped');
        for (const child of identities) {
          await eventually(`child ${child.pid} is gone`, () => !isAlive(child));
        }
        assert.deepEqual(place.captured.withMessage('The daemon ignored SIGTERM; sending SIGKILL'), []);
      }
    });

    test('says that a signal ended its worker, and which, where it tells', async () => {
      await using place = await daemonPlace();
      const daemon = await place.startVirtiofsd({ daemonPath: path, dialect });
      await daemon.ready;
      using client = await connectVhostUser(place.socketPath);
      await client.getFeatures();
      const { pid } = daemon.identity;
      const [worker] = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).split(' ');
      process.kill(Number(worker), 'SIGKILL');
      const { cause, exitCode } = await daemon.exited;
      const [code, signal] = dialect === 'c' ? [1, 'an unknown signal'] : [247, 'SIGKILL'];
      assert.deepEqual([cause, exitCode], ['crashed', code]);
      const text = `virtiofsd exited with code ${code}, its worker killed by ${signal}`;
      await eventually('its end is logged', () =>
        place.captured.lines.some(({ level, msg }) => level === 'error' && msg.startsWith(text)),
      );
    });

    test('is waiting without burning a processor: its socket is blocking', async () => {
      await using place = await daemonPlace();
      const daemon = await place.startVirtiofsd({ daemonPath: path, dialect });
      await daemon.ready;
      const O_NONBLOCK = 0o4000;
      const info = await readFile(`/proc/${daemon.identity.pid}/fdinfo/0`, 'utf8').catch(() => '');
      if (info) assert.equal(Number.parseInt(/flags:\s+(\d+)/.exec(info)?.[1] ?? '0', 8) & O_NONBLOCK, 0);
      assert.notEqual(await askFeatures(place.socketPath), 0n);
    });

    test('says in its own words why it does not start', async () => {
      await using place = await daemonPlace();
      const daemon = await place.startVirtiofsd({
        daemonPath: path,
        dialect,
        extraArgs: ['--no-such-argument'],
        allowUnknownArgs: true,
      });
      await assert.rejects(daemon.ready, (error: DaemonError) => {
        assert.equal(error.name, 'DaemonError');
        assert.match(error.message, /^virtiofsd exited with code [12]: \S/);
        assert.equal(typeof error.exit.exitCode, 'number');
        assert.match(error.lastLines.join('\n'), /no-such-argument/);
        return true;
      });
    });

    test('says what it does not take, of all that it says', async () => {
      await using place = await daemonPlace();
      const extraArgs = dialect === 'c' ? ['-o', 'xattrmap=foo'] : ['--xattrmap=foo'];
      const daemon = await place.startVirtiofsd({ daemonPath: path, dialect, extraArgs });
      await assert.rejects(daemon.ready, ({ message, lastLines }: DaemonError) => {
        assert.match(message, dialect === 'c' ? /: parse_xattrmap: / : /: error: invalid value 'foo' for/);
        assert.equal(
          lastLines.some((line) => message.endsWith(line)),
          true,
        );
        const logged = place.captured.lines.find(({ msg }) => message.endsWith(msg));
        assert.equal(logged?.level, 'error');
        return true;
      });
    });

    test('takes each of its cache modes and debugging', async () => {
      const modes = dialect === 'c' ? ['auto', 'always', 'never'] : ['auto', 'always', 'metadata', 'never'];
      for (const cache of modes) {
        await using place = await daemonPlace();
        const daemon = await place.startVirtiofsd({ daemonPath: path, dialect, cache, debug: true });
        await daemon.ready;
        assert.notEqual(await askFeatures(place.socketPath), 0n);
      }
    });

    test('is ready although RUST_LOG would silence it', async () => {
      process.env['RUST_LOG'] = 'error';
      try {
        await using place = await daemonPlace();
        await (
          await place.startVirtiofsd({ daemonPath: path, dialect })
        ).ready;
      } finally {
        delete process.env['RUST_LOG'];
      }
    });
  });
}

describe('startVirtiofsd() of the wrong dialect', () => {
  test('is a start error with the words of the program', async () => {
    const [c] = await realVirtiofsds();
    if (!c || c.skip) return;
    await using place = await daemonPlace();
    const daemon = await place.startVirtiofsd({ daemonPath: c.path, dialect: 'rust' });
    await assert.rejects(daemon.ready, { name: 'DaemonError', message: /^virtiofsd exited with code 1: / });
    assert.equal(existsSync(join(place.path, 'daemon.sock')), false);
  });
});
