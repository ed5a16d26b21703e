import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { eventually } from '../harness/eventually.ts';
import { fixture } from '../harness/fixtures.ts';
import { isGone } from '../harness/leftovers.ts';
import { daemonPlace } from '../harness/test-daemon.ts';

const childOf = (lines: readonly string[]): number => Number(/^child (\d+)/m.exec(lines.join('\n'))?.[1]);

describe('Daemon.stop()', () => {
  test('ends it by SIGTERM, waits until it is gone, and removes the socket', async () => {
    await using place = await daemonPlace();
    const daemon = await place.start(fixture('waits'));
    await daemon.ready;
    const { cause, signal, exitCode } = await daemon.stop();
    assert.deepEqual(
      { cause, signal, exitCode },
      { cause: 'stopped', signal: 'SIGTERM', exitCode: undefined },
    );
    assert.equal(daemon.state, 'exited');
    assert.equal(isGone(daemon.identity.pid), true);
    // The socket of the next one is hidden, and may stand there already.
    const left = (await readdir(place.path)).filter((name) => !name.startsWith('.'));
    assert.deepEqual(left, ['daemon.log']);
    assert.deepEqual(
      place.captured.lines.filter(({ level }) => level === 'warn'),
      [],
    );
  });

  test('kills one that ignores SIGTERM after the grace, with its whole process group', async () => {
    await using place = await daemonPlace();
    const daemon = await place.start(fixture('ignores-sigterm'), { stopTimeoutMs: 30 });
    await daemon.ready;
    const child = childOf(daemon.lastLines);
    assert.equal(isGone(child), false);
    const { cause, signal } = await daemon.stop();
    assert.deepEqual({ cause, signal }, { cause: 'stopped', signal: 'SIGKILL' });
    await eventually('the child is gone', () => isGone(child));
    assert.equal(place.captured.withMessage('The daemon ignored SIGTERM; sending SIGKILL').length, 1);
  });

  test('leaves no child of a wrapper that ends by SIGTERM alone', async () => {
    await using place = await daemonPlace();
    const daemon = await place.start(fixture('leaves-child'));
    await daemon.ready;
    const child = childOf(daemon.lastLines);
    assert.equal(isGone(child), false);
    await daemon.stop();
    await eventually('the child is gone', () => isGone(child));
  });

  test('is one stop however often and at once it is called', async () => {
    await using place = await daemonPlace();
    const daemon = await place.start(fixture('ignores-sigterm'), { stopTimeoutMs: 30 });
    await daemon.ready;
    const exits = await Promise.all([daemon.stop(), daemon.stop(), daemon[Symbol.asyncDispose]()]);
    assert.equal(exits[0], exits[1]);
    assert.equal(await daemon.stop(), exits[0]);
    assert.equal(place.captured.withMessage('The daemon ignored SIGTERM; sending SIGKILL').length, 1);
  });

  test('does nothing to one that has ended by itself', async () => {
    await using place = await daemonPlace();
    const daemon = await place.start(fixture('exits-early'));
    await daemon.exited;
    assert.equal((await daemon.stop()).cause, 'start-failed');
  });

  test('rejects ready where it comes first', async () => {
    await using place = await daemonPlace();
    const daemon = await place.start(fixture('never-ready'));
    const ready = assert.rejects(daemon.ready, {
      name: 'DaemonError',
      message: 'virtiofsd was killed by SIGTERM: it was stopped',
    });
    await daemon.stop();
    await ready;
  });
});
