import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { END } from './failure-reporter.ts';
import { runAgain } from './second-run.ts';

/** Runs again what failed with these lines; resolves to the code, to what was run and to what was said. */
async function again(
  { mock }: TestContext,
  failures: readonly { file?: string; name: string }[],
  code: number,
  end = END,
): Promise<{ code: number; runs: (readonly string[])[]; said: string }> {
  await using place = await temporaryDirectory();
  const file = join(place.path, 'failures');
  await writeFile(file, `${failures.map((one) => `${JSON.stringify(one)}\n`).join('')}${end}`);
  const { mock: said } = mock.method(console, 'error', () => {});
  const runs: (readonly string[])[] = [];
  const result = await runAgain(file, async (files) => {
    runs.push(files);
    return code;
  });
  return { code: result, runs, said: said.calls.flatMap(({ arguments: words }) => words).join('\n') };
}

describe('runAgain()', () => {
  const failures = [
    { file: 'a.test.ts', name: 'one' },
    { file: 'a.test.ts', name: 'two' },
    { file: 'b.test.ts', name: 'three' },
  ];

  test('runs each file of a few once, and names what passed then', async (context) => {
    const { code, runs, said } = await again(context, failures, 0);
    assert.deepEqual({ code, runs }, { code: 0, runs: [['a.test.ts', 'b.test.ts']] });
    for (const { name, file } of failures) assert.ok(said.includes(`${name} (${file})`));
  });

  test('fails where a second run fails', async (context) => {
    const { code, said } = await again(context, failures, 7);
    assert.equal(code, 7);
    assert.ok(!said.includes('UNSTEADY'));
  });

  test('fails at once after a run that was killed', async (context) => {
    const { code, runs } = await again(context, failures, 0, '');
    assert.deepEqual({ code, runs }, { code: 1, runs: [] });
  });

  test('fails at once where many files fail, none does, or one is not known', async (context) => {
    const many = ['a', 'b', 'c', 'd'].map((file) => ({ file, name: 'x' }));
    for (const some of [many, [], [{ name: 'x' }]]) {
      // oxlint-disable-next-line no-await-in-loop -- three
      const { code, runs } = await again(context, some, 0);
      assert.deepEqual({ code, runs }, { code: 1, runs: [] });
      context.mock.restoreAll();
    }
  });
});
