import assert from 'node:assert/strict';
import { mock, suite, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { createReadiness } from '../../src/daemon/readiness.ts';

suite('createReadiness()', () => {
  test('rejects with DeadlineExceeded, naming the setting, when nothing is said in time', async () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      const readiness = createReadiness(
        { name: 'virtiofsd', waitingLine: /x/, startTimeoutMs: 5000 },
        assert.fail,
      );
      mock.timers.tick(5000);
      await assert.rejects(readiness.promise, {
        name: 'DaemonError',
        code: Code.DeadlineExceeded,
        message:
          'virtiofsd did not say within 5000 ms that it waits for its VMM: see its output, or raise virtio_fs_start_timeout_ms',
      });
    } finally {
      mock.timers.reset();
    }
  });

  test('counts a daemon that will not say as ready when it has lived a little', async () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      let reached = 0;
      const readiness = createReadiness({ name: 'virtiofsd', startTimeoutMs: 5000 }, () => reached++);
      mock.timers.tick(4999);
      await readiness.promise;
      assert.equal(reached, 1);
    } finally {
      mock.timers.reset();
    }
  });

  test('settles once', async () => {
    let reached = 0;
    const readiness = createReadiness(
      { name: 'virtiofsd', waitingLine: /x/, startTimeoutMs: 5000 },
      () => reached++,
    );
    readiness.failed(new Error('it ended'));
    readiness.reached();
    await assert.rejects(readiness.promise, { message: 'it ended' });
  });
});
