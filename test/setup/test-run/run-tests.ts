import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runNode } from '../run-program.ts';
import { observe } from './machine.ts';
import { reportLeaks } from './report-leaks.ts';
import { reportSkips } from './report-skips.ts';

const skipReporter = fileURLToPath(new URL('skip-reporter.ts', import.meta.url));

/**
 * Runs node:test with these arguments. Resolves to an exit code that is not 0 also where a test left something on
 * this machine, or, where the variable CI is set, was skipped without need.
 */
export async function runTests(
  args: readonly string[],
  { signal }: { signal: AbortSignal },
): Promise<number> {
  const isCI = process.env['CI'] !== undefined;
  const before = await observe();
  const temporary = await mkdtemp(join(tmpdir(), 'csv-'));
  const skips = await mkdtemp(join(tmpdir(), 'csv-skips-'));
  const skipFile = join(skips, 'skips');
  const reporters = ['spec', 'stdout', skipReporter, skipFile];
  const code = await runNode(
    [
      '--test',
      '--test-concurrency=2',
      '--test-timeout=900000',
      ...reporters.map((value, index) => `--test-reporter${index % 2 === 0 ? '' : '-destination'}=${value}`),
      ...args,
    ],
    { signal, env: { TMPDIR: temporary, NODE_NO_WARNINGS: '1', NODE_DISABLE_COMPILE_CACHE: '1' } },
  );
  const isClean = await reportLeaks({ before, temporary, isStrict: isCI });
  const isComplete = await reportSkips(skipFile, { isStrict: isCI });
  return code === 0 && isClean && isComplete ? 0 : Math.max(code, 1);
}
