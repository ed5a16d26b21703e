import assert from 'node:assert/strict';
import { describe, mock, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { watchReadiness } from '../../src/daemon/readiness.ts';
import type { DaemonSpec, Readiness } from '../../src/daemon/spec.ts';

const spec = (ready: Readiness, options: Partial<DaemonSpec> = {}): DaemonSpec => ({
  name: 'exampled',
  program: () => ({ command: '/bin/true', args: [] }),
  socket: 'handed-over',
  socketPath: '',
  outputPath: '',
  ready,
  startTimeoutMs: 5000,
  stopTimeoutMs: 1000,
  ...options,
});

describe('watchReadiness()', () => {
  test('resolves at the line, and at none other', async () => {
    let reached = 0;
    const readiness = watchReadiness(spec({ line: /Waiting/ }), () => reached++);
    readiness.onLine('Starting');
    assert.equal(reached, 0);
    readiness.onLine('Waiting for a client');
    await readiness.promise;
    assert.equal(reached, 1);
  });

  test('asks a probe again until it says yes', async () => {
    const answers = [false, false, true];
    let asked = 0;
    const probe = async (): Promise<boolean> => answers[asked++] ?? assert.fail('asked once more');
    const readiness = watchReadiness(spec({ probe }), () => {});
    await readiness.promise;
    assert.equal(asked, 3);
  });

  test('rejects with what the probe rejects with, and ends one that hangs when the daemon has ended', async () => {
    const broken = watchReadiness(spec({ probe: () => Promise.reject(new Error('broken')) }), assert.fail);
    await assert.rejects(broken.promise, { message: 'broken' });
    const aborted = Promise.withResolvers<void>();
    const hanging = watchReadiness(
      spec({
        probe: ({ signal }) => {
          signal.addEventListener('abort', () => aborted.resolve());
          return new Promise(() => {});
        },
      }),
      assert.fail,
    );
    hanging.failed(new Error('it ended'));
    await assert.rejects(hanging.promise, { message: 'it ended' });
    await aborted.promise;
  });

  const silent: [ready: Readiness, message: string][] = [
    [{ line: /x/ }, 'exampled did not say within 5000 ms that it waits for its VMM: see its output'],
    [
      { probe: async () => false },
      'exampled did not answer within 5000 ms that it waits for its VMM: see its output',
    ],
  ];
  for (const [ready, message] of silent) {
    test(`rejects with DeadlineExceeded and the spec's remedy: ${message}`, async () => {
      mock.timers.enable({ apis: ['setTimeout'] });
      try {
        const readiness = watchReadiness(spec(ready, { startTimeoutRemedy: 'raise the limit' }), assert.fail);
        mock.timers.tick(5000);
        await assert.rejects(readiness.promise, {
          name: 'DaemonError',
          code: Code.DeadlineExceeded,
          message: `${message}, or raise the limit`,
        });
      } finally {
        mock.timers.reset();
      }
    });
  }

  test('counts a daemon that will not say as ready when it has lived a little', async () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      let reached = 0;
      const readiness = watchReadiness(spec({ settleMs: 50 }), () => reached++);
      mock.timers.tick(49);
      assert.equal(reached, 0);
      mock.timers.tick(1);
      await readiness.promise;
      assert.equal(reached, 1);
    } finally {
      mock.timers.reset();
    }
  });

  test('sends no one to a longer timeout whose output goes elsewhere, and carries what was said', async () => {
    const cases: [ready: Readiness, isSilent: boolean, remedy: string][] = [
      [
        { line: /x/ },
        true,
        'did not say within 5000 ms that it waits for its VMM: let it write to its standard error: what starts it sends its output elsewhere',
      ],
      [
        { line: /x/ },
        false,
        'did not say within 5000 ms that it waits for its VMM: see its output, or raise the limit',
      ],
      [
        { probe: async () => false },
        true,
        'did not answer within 5000 ms that it waits for its VMM: see its output, or raise the limit',
      ],
    ];
    for (const [ready, isSilent, remedy] of cases) {
      mock.timers.enable({ apis: ['setTimeout'] });
      try {
        const said = { lastLines: () => ['one', 'two'], isSilent: () => isSilent };
        const late = spec(ready, { startTimeoutRemedy: 'raise the limit' });
        const { promise } = watchReadiness(late, assert.fail, said);
        mock.timers.tick(5000);
        // oxlint-disable-next-line no-await-in-loop -- one clock
        await assert.rejects(promise, { message: `exampled ${remedy}`, lastLines: ['one', 'two'] });
      } finally {
        mock.timers.reset();
      }
    }
  });

  test('settles once', async () => {
    let reached = 0;
    const readiness = watchReadiness(spec({ line: /x/ }), () => reached++);
    readiness.failed(new Error('it ended'));
    readiness.reached();
    await assert.rejects(readiness.promise, { message: 'it ended' });
    assert.equal(reached, 0);
  });
});
