import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { takePassedSockets, type PassedSocket } from '../../src/proc/passed-sockets.ts';

// Descriptor 3 is open in each process of Node.js: it is none of the sockets that are looked for here.

function take(variables: NodeJS.ProcessEnv): PassedSocket[] {
  const environment = { LISTEN_PID: `${process.pid}`, LISTEN_FDNAMES: 'a:b', ...variables };
  try {
    return takePassedSockets(environment);
  } finally {
    assert.deepEqual(environment, {});
  }
}

describe('takePassedSockets()', () => {
  test('takes as many as there are, whatever they are', () => {
    assert.deepEqual(take({ LISTEN_FDS: '1' }), [{ fd: 3, path: undefined }]);
    assert.deepEqual(take({ LISTEN_FDS: '0' }), []);
    assert.deepEqual(take({}), []);
  });

  test('leaves alone what is meant for another process', () => {
    for (const LISTEN_PID of ['1', '', 'x', undefined])
      assert.deepEqual(take({ LISTEN_PID, LISTEN_FDS: '3000000000' }), []);
  });

  test('rejects a number that is none', () => {
    for (const LISTEN_FDS of ['', 'x', '-1', '1.5', '0x1', ' 1', 'NaN']) {
      assert.throws(() => take({ LISTEN_FDS }), {
        name: 'StatusError',
        code: Code.InvalidArgument,
        message: `Cannot take the sockets that were passed: LISTEN_FDS is "${LISTEN_FDS}", and it is no number of sockets: start this host by a socket unit of systemd, or unset it`,
      });
    }
  });

  test('rejects a number of more than there are, however large', () => {
    const closed = openSync('/dev/null', 'r');
    closeSync(closed);
    for (const LISTEN_FDS of [`${closed - 2}`, '3000000000', '9'.repeat(400)]) {
      assert.throws(() => take({ LISTEN_FDS }), {
        name: 'StatusError',
        code: Code.InvalidArgument,
        message: new RegExp(
          `LISTEN_FDS is "${LISTEN_FDS}", and descriptor \\d+ is not open: start this host by`,
        ),
      });
    }
  });
});
