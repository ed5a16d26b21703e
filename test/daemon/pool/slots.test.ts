import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Daemon } from '../../../src/daemon/contract.ts';
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

/** Starts that note their names; each daemon is ready when it is told. */
const noting = (): { begun: string[]; begin: (group: string, name: string) => Start } => {
  const slots = createSlots(() => {});
  const begun: string[] = [];
  return {
    begun,
    begin(group, name) {
      const one = aStart();
      void slots.run(
        () => {
          begun.push(name);
          return Promise.resolve(one.daemon);
        },
        { group },
      );
      return one;
    },
  };
};

describe('createSlots()', () => {
  test('has two, each held until its daemon is ready or has failed', async () => {
    const slots = createSlots(() => {});
    const starts = [aStart(), aStart(), aStart(), aStart()];
    const begun: number[] = [];
    const daemons = starts.map(({ daemon }, index) =>
      slots.run(
        () => {
          begun.push(index);
          return Promise.resolve(daemon);
        },
        { group: 'a' },
      ),
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
        slots.run(() => Promise.reject(new Error('rejected')), { group: 'a' }),
        { message: 'rejected' },
      );
      const thrown = slots.run(
        () => {
          throw new Error('thrown');
        },
        { group: 'a' },
      );
      await assert.rejects(thrown, { message: 'thrown' });
    }
  });

  test('ends the wait for a slot when the signal aborts, and never starts', async () => {
    const slots = createSlots(() => {});
    const [first, second] = [aStart(), aStart()];
    await Promise.all(
      [first, second].map(({ daemon }) => slots.run(() => Promise.resolve(daemon), { group: 'a' })),
    );
    const controller = new AbortController();
    let started = false;
    const waiting = slots.run(
      () => {
        started = true;
        return Promise.resolve(aStart().daemon);
      },
      { group: 'a', signal: controller.signal },
    );
    controller.abort(new Error('enough'));
    await assert.rejects(waiting, { message: 'enough' });
    first.becomeReady();
    second.becomeReady();
    await turn();
    assert.equal(started, false);
    await assert.rejects(
      slots.run(() => Promise.resolve(aStart().daemon), { group: 'a', signal: controller.signal }),
      { message: 'enough' },
    );
  });

  test('leaves a start that has begun to heed the signal by itself', async () => {
    const slots = createSlots(() => {});
    const controller = new AbortController();
    const { promise, resolve } = Promise.withResolvers<Daemon>();
    const starting = slots.run(() => promise, { group: 'a', signal: controller.signal });
    await turn();
    controller.abort(new Error('enough'));
    const { daemon } = aStart();
    resolve(daemon);
    assert.equal(await starting, daemon);
  });

  test('serves groups in turn, whichever has asked for how many', async () => {
    const { begun, begin } = noting();
    const starts = [
      ...['a1', 'a2', 'a3', 'a4'].map((name) => begin('a', name)),
      ...['b1', 'b2'].map((name) => begin('b', name)),
      begin('c', 'c1'),
    ];
    for (const { becomeReady } of starts) {
      await turn();
      becomeReady();
    }
    await turn();
    starts.push(begin('a', 'a5'));
    await turn();
    assert.deepEqual(begun, ['a1', 'a2', 'a3', 'b1', 'c1', 'a4', 'b2', 'a5']);
  });

  test('takes the slot of a daemon that is not ready after its first second', async (context) => {
    context.mock.timers.enable({ apis: ['setTimeout'] });
    const { begun, begin } = noting();
    const [slow] = [begin('a', 'a1'), begin('b', 'b1'), begin('c', 'c1'), begin('d', 'd1')];
    await turn();
    context.mock.timers.tick(999);
    await turn();
    assert.deepEqual(begun, ['a1', 'b1']);
    context.mock.timers.tick(1);
    await turn();
    assert.deepEqual(begun, ['a1', 'b1', 'c1', 'd1']);
    // What is ready late gives no slot a second time.
    slow?.becomeReady();
    begin('e', 'e1');
    await turn();
    assert.deepEqual(begun, ['a1', 'b1', 'c1', 'd1']);
  });

  test('forgets a start that was given up, and keeps the turn of its group', async () => {
    const slots = createSlots(() => {});
    const [first, second] = [aStart(), aStart()];
    for (const { daemon } of [first, second]) void slots.run(() => Promise.resolve(daemon), { group: 'x' });
    const controller = new AbortController();
    const begun: string[] = [];
    const begin = (group: string, name: string, signal?: AbortSignal): Promise<unknown> =>
      slots.run(
        () => {
          begun.push(name);
          return Promise.resolve(aStart().daemon);
        },
        { group, signal },
      );
    const givenUp = [begin('a', 'a1', controller.signal), begin('b', 'b1', controller.signal)];
    const kept = [begin('a', 'a2'), begin('c', 'c1')];
    controller.abort(new Error('enough'));
    for (const start of givenUp) await assert.rejects(start, { message: 'enough' });
    first.becomeReady();
    second.becomeReady();
    await Promise.all(kept);
    assert.deepEqual(begun, ['a2', 'c1']);
  });
});
