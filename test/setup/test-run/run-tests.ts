import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runNode } from '../run-program.ts';
import { observe } from './machine.ts';
import { reportLeaks } from './report-leaks.ts';
import { reportSkips } from './report-skips.ts';
import { runAgain } from './second-run.ts';

const pathOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/**
 * Runs node:test with these arguments. Resolves to an exit code that is not 0 also where a test left something on
 * this machine, or, where the variable CI is set, was skipped without need. CI runs the few files again that failed.
 */
export async function runTests(
  args: readonly string[],
  { signal }: { signal: AbortSignal },
): Promise<number> {
  const isCI = process.env['CI'] !== undefined;
  const before = await observe();
  const temporary = await mkdtemp(join(tmpdir(), 'csv-'));
  const notes = await mkdtemp(join(tmpdir(), 'csv-notes-'));
  const [skipFile, laterSkipFile, failureFile] = ['skips', 'later-skips', 'failures'].map((name) =>
    join(notes, name),
  ) as [string, string, string];
  const run = (some: readonly string[], reporters: readonly string[]): Promise<number> =>
    runNode(
      [
        '--test',
        '--test-concurrency=2',
        '--test-timeout=900000',
        ...['spec', 'stdout', ...reporters].map(
          (value, index) => `--test-reporter${index % 2 === 0 ? '' : '-destination'}=${value}`,
        ),
        ...some,
      ],
      { signal, env: { TMPDIR: temporary, NODE_NO_WARNINGS: '1', NODE_DISABLE_COMPILE_CACHE: '1' } },
    );
  try {
    const skipReporter = pathOf('skip-reporter.ts');
    const first = await run(args, [skipReporter, skipFile, pathOf('failure-reporter.ts'), failureFile]);
    const again = (files: readonly string[]): Promise<number> => run(files, [skipReporter, laterSkipFile]);
    const isWorthAnother = first !== 0 && isCI && !signal.aborted;
    const code = isWorthAnother ? await runAgain(failureFile, again) : first;
    const isClean = await reportLeaks({ before, temporary, isStrict: isCI });
    const areComplete = await Promise.all(
      [skipFile, laterSkipFile].map((file) => reportSkips(file, { isStrict: isCI })),
    );
    return code === 0 && isClean && !areComplete.includes(false) ? 0 : Math.max(code, 1);
  } finally {
    await rm(notes, { recursive: true, force: true });
  }
}
