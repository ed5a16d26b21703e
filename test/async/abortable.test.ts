import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, test } from 'node:test';
import { abortable } from '../../src/async/abortable.ts';

const never = new Promise<never>(() => {});

describe('abortable()', () => {
  for (const [what, signal] of [
    ['no signal', undefined],
    ['a signal that does not abort', new AbortController().signal],
  ] as const) {
    test(`passes on what the promise becomes with ${what}`, async () => {
      assert.equal(await abortable(Promise.resolve(1), signal), 1);
      const error = new Error('no');
      await assert.rejects(abortable(Promise.reject(error), signal), error);
    });
  }

  test("rejects with the signal's reason when it aborts", async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const waiting = abortable(never, controller.signal);
    controller.abort(reason);
    await assert.rejects(waiting, reason);
  });

  test('rejects when the signal is already aborted, whatever the promise is', async () => {
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    for (const promise of [never, Promise.resolve(1), Promise.reject(new Error('no'))])
      await assert.rejects(abortable(promise, signal), reason);
  });

  test('leaves no listener on the signal, and no rejection without an owner', async () => {
    const { signal } = new AbortController();
    await abortable(Promise.resolve(1), signal);
    await assert.rejects(abortable(Promise.reject(new Error('no')), signal));
    assert.equal(getEventListeners(signal, 'abort').length, 0);

    const late = Promise.withResolvers<void>();
    const controller = new AbortController();
    const waiting = abortable(late.promise, controller.signal);
    controller.abort(new Error('enough'));
    await assert.rejects(waiting, { message: 'enough' });
    late.reject(new Error('of nobody'));
    await new Promise((resolve) => setImmediate(resolve));
  });
});
