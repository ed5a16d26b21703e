import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findTests, SLOW } from './find-tests.ts';

test('findTests() takes for fast what takes about a minute together, the unit tests of a plugin included', async () => {
  const [all, fast] = [await findTests('all'), await findTests('fast')];
  const quick = ['test/plugin/virtiofs/config.test.ts', 'test/setup/test-run/find-tests.test.ts'];
  const slow = ['test/plugin/shim/start.test.ts', 'test/integration/guest.test.ts'];
  assert.deepEqual(
    [...quick, ...slow].filter((file) => !all.includes(file)),
    [],
  );
  assert.deepEqual(
    [...quick, ...slow].filter((file) => fast.includes(file)),
    quick,
  );
});

test('findTests() takes nothing for slow that is not there', async () => {
  const all = await findTests('all');
  assert.deepEqual(
    SLOW.filter((slow) => !all.some((file) => file.startsWith(slow))),
    [],
  );
});
