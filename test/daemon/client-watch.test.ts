import assert from 'node:assert/strict';
import { describe, mock, test } from 'node:test';
import { watchForClient } from '../../src/daemon/client-watch.ts';
import type { DaemonSpec } from '../../src/daemon/spec.ts';
import { captureLog } from '../harness/captured-log.ts';

const WARNING = 'No VMM has connected to exampled for 60 s: check that it was given this socket';

/** Watches in a time that only passes when it is told to. */
function watch(
  spec: Partial<DaemonSpec>,
  { hasClient = false, isTold = true } = {},
): Disposable & { readonly events: string[]; cancel(): void } {
  mock.timers.enable({ apis: ['setTimeout'] });
  const events: string[] = [];
  const captured = captureLog();
  const watching = watchForClient(
    {
      name: 'exampled',
      program: () => ({ command: '/nowhere/exampled', args: [] }),
      socket: 'own',
      socketPath: '/nowhere/exampled.sock',
      outputPath: '/nowhere/exampled.log',
      ready: { settleMs: 1 },
      ...(isTold ? { connectedLine: /Client connected/ } : {}),
      startTimeoutMs: 1,
      stopTimeoutMs: 1,
      ...spec,
    },
    {
      log: captured.log,
      pid: 1,
      hasClient: () => hasClient,
      onClient: () => void events.push('client'),
      onGivenUp: () => void events.push('given up'),
    },
  );
  return {
    get events() {
      const lines = captured.lines.map(({ level, msg, path }) => `${level} ${msg} ${String(path)}`);
      return [...lines, ...events];
    },
    cancel: () => watching[Symbol.dispose](),
    [Symbol.dispose]() {
      watching[Symbol.dispose]();
      mock.timers.reset();
    },
  };
}

describe('watchForClient()', () => {
  test('warns once after a minute without a VMM', () => {
    using watching = watch({});
    mock.timers.tick(59_999);
    assert.deepEqual(watching.events, []);
    mock.timers.tick(1_000_000);
    assert.deepEqual(watching.events, [`warn ${WARNING} /nowhere/exampled.sock`]);
  });

  test('gives up after the time of the spec, and has warned before where that is longer than a minute', () => {
    using watching = watch({ clientTimeoutMs: 90_000 });
    mock.timers.tick(89_999);
    assert.deepEqual(watching.events, [`warn ${WARNING} /nowhere/exampled.sock`]);
    mock.timers.tick(1);
    assert.equal(watching.events.at(-1), 'given up');
  });

  test('gives up without a warning before', () => {
    using watching = watch({ clientTimeoutMs: 1000 });
    mock.timers.tick(1_000_000);
    assert.deepEqual(watching.events, ['given up']);
  });

  test('does nothing but tell of a VMM whose coming the daemon has not told', () => {
    for (const spec of [{}, { clientTimeoutMs: 1000 }, { clientTimeoutMs: 90_000 }]) {
      using watching = watch(spec, { hasClient: true });
      mock.timers.tick(1_000_000);
      assert.deepEqual(watching.events, ['client']);
    }
  });

  test('does nothing after its disposal', () => {
    using watching = watch({ clientTimeoutMs: 90_000 });
    watching.cancel();
    mock.timers.tick(1_000_000);
    assert.deepEqual(watching.events, []);
  });

  test('warns and gives up as well where the kernel tells of a VMM', () => {
    using watching = watch({ clientTimeoutMs: 90_000, servesOneClient: true }, { isTold: false });
    mock.timers.tick(90_000);
    assert.deepEqual(watching.events, [`warn ${WARNING} /nowhere/exampled.sock`, 'given up']);
  });

  test('does nothing where neither a line nor the kernel would tell of a VMM', () => {
    using watching = watch({ clientTimeoutMs: 90_000 }, { isTold: false });
    mock.timers.tick(1_000_000);
    assert.deepEqual(watching.events, []);
  });
});
