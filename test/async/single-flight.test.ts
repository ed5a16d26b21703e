import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { singleFlight } from '../../src/async/single-flight.ts';

describe('singleFlight()', () => {
  test('runs once for all who ask while it runs, and for those who ask when it is done', async () => {
    let runs = 0;
    const gate = Promise.withResolvers<void>();
    const run = singleFlight(() => {
      runs++;
      return gate.promise;
    });
    const asked = [run(), run()];
    gate.resolve();
    await Promise.all([...asked, run()]);
    await run();
    assert.equal(runs, 1);
  });

  test('rejects for all who asked, and runs again for who asks next', async () => {
    const outcomes = [Promise.reject(new Error('not yet')), Promise.resolve()];
    const run = singleFlight(() => outcomes.shift() ?? Promise.reject(new Error('once too often')));
    const results = await Promise.allSettled([run(), run()]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    await run();
    await run();
    assert.equal(outcomes.length, 0);
  });
});
