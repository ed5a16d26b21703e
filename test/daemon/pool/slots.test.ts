import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Daemon } from '../../../src/daemon/daemon.ts';
import { createSlots } from '../../../src/daemon/pool/slots.ts';

interface Start {
  readonly daemon: Daemon;
  readonly becomeReady: () => void;
  readonly fail: (error: Error) => void;
}

/** A stand-in for a daemon of which only the readiness counts. */
function aStart(): Start {
  const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
  ready.catch(() => {});
  return { daemon: { ready } as Daemon, becomeReady: resolve, fail: reject };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('createSlots()', () => {
  test('has two, each held until its daemon is ready or has failed', async () => {
    const slots = createSlots(() => {});
    const starts = [aStart(), aStart(), aStart(), aStart()];
    const begun: number[] = [];
    const daemons = starts.map(({ daemon }, index) =>
      slots.run(() => {
        begun.push(index);
        return Promise.resolve(daemon);
      }, {}),
    );
    await turn();
    assert.deepEqual(begun, [0, 1]);
    assert.equal(await daemons[0], starts[0]?.daemon);
    starts[0]?.becomeReady();
    await turn();
    assert.deepEqual(begun, [0, 1, 2]);
    starts[1]?.fail(new Error('ended'));
    await turn();
    assert.deepEqual(begun, [0, 1, 2, 3]);
    assert.equal(await daemons[3], starts[3]?.daemon);
  });

  test('passes on what a start rejects with or throws at once, and frees the slot', async () => {
    const slots = createSlots(() => {});
    for (let round = 0; round < 3; round++) {
      await assert.rejects(
        slots.run(() => Promise.reject(new Error('rejected')), {}),
        { message: 'rejected' },
      );
      const thrown = slots.run(() => {
        throw new Error('thrown');
      }, {});
      await assert.rejects(thrown, { message: 'thrown' });
    }
  });

  test('ends the wait for a slot when the signal aborts, and never starts', async () => {
    const slots = createSlots(() => {});
    const [first, second] = [aStart(), aStart()];
    await Promise.all([first, second].map(({ daemon }) => slots.run(() => Promise.resolve(daemon), {})));
    const controller = new AbortController();
    let started = false;
    const waiting = slots.run(
      () => {
        started = true;
        return Promise.resolve(aStart().daemon);
      },
      { signal: controller.signal },
    );
    controller.abort(new Error('enough'));
    await assert.rejects(waiting, { message: 'enough' });
    first.becomeReady();
    second.becomeReady();
    await turn();
    assert.equal(started, false);
    await assert.rejects(
      slots.run(() => Promise.resolve(aStart().daemon), { signal: controller.signal }),
      { message: 'enough' },
    );
  });

  test('leaves a start that has begun to heed the signal by itself', async () => {
    const slots = createSlots(() => {});
    const controller = new AbortController();
    const { promise, resolve } = Promise.withResolvers<Daemon>();
    const starting = slots.run(() => promise, { signal: controller.signal });
    await turn();
    controller.abort(new Error('enough'));
    const { daemon } = aStart();
    resolve(daemon);
    assert.equal(await starting, daemon);
  });
});
