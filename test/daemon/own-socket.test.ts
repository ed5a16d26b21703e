import assert from 'node:assert/strict';
import { existsSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { nodeFixture } from '../harness/fixtures.ts';
import { isGone } from '../harness/leftovers.ts';
import { daemonPlace, type DaemonPlace } from '../harness/test-daemon.ts';

/** Asks whether somebody listens, as the client of an API would. */
const answers =
  (path: string) =>
  async ({ signal }: { signal: AbortSignal }): Promise<boolean> => {
    const socket = connect(path);
    try {
      await once(socket, 'connect', { signal });
      return true;
    } catch {
      return false;
    } finally {
      socket.destroy();
    }
  };

const start = async (place: DaemonPlace, options = {}): ReturnType<DaemonPlace['start']> => {
  const command = await nodeFixture('binds-itself', place.path);
  const api = join(place.path, 'api.sock');
  return place.start(command, {
    args: [place.socketPath, api],
    socket: 'own',
    apiSocketPath: api,
    ready: { probe: answers(api) },
    ...options,
  });
};

describe('a daemon that binds its socket by itself', () => {
  test('gets an empty standard input, is ready when the probe says so, and its sockets go with it', async () => {
    await using place = await daemonPlace();
    const daemon = await start(place);
    assert.equal(daemon.state, 'starting');
    await daemon.ready;
    assert.equal(daemon.state, 'waiting');
    assert.equal(statSync(place.socketPath).isSocket(), true);
    assert.equal(readlinkSync(`/proc/${daemon.identity.pid}/fd/0`), '/dev/null');
    assert.equal(readFileSync(place.outputPath, 'utf8').includes('bound'), true);
    await daemon.stop();
    assert.equal(isGone(daemon.identity.pid), true);
    assert.equal(existsSync(place.socketPath), false);
    assert.equal(existsSync(join(place.path, 'api.sock')), false);
  });

  test('that ends before it is ready rejects with its words, and leaves no socket', async () => {
    await using place = await daemonPlace();
    const command = await nodeFixture('binds-itself', place.path);
    const daemon = await place.start(command, {
      args: [place.socketPath, '/nonexistent/api.sock'],
      socket: 'own',
      ready: { probe: answers('/nonexistent/api.sock') },
    });
    await assert.rejects(daemon.ready, {
      name: 'DaemonError',
      code: Code.FailedPrecondition,
      message: 'virtiofsd exited with code 3: cannot bind the API socket',
    });
    await daemon.exited;
    assert.equal(existsSync(place.socketPath), false);
  });

  test('is ended by stop() while the probe still asks', async () => {
    await using place = await daemonPlace();
    const daemon = await start(place, { ready: { probe: async () => false } });
    const ready = assert.rejects(daemon.ready, {
      message: 'virtiofsd was killed by SIGTERM: it was stopped',
    });
    assert.equal((await daemon.stop()).cause, 'stopped');
    await ready;
    assert.equal(existsSync(place.socketPath), false);
  });
});
