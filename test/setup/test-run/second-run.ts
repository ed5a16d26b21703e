import { readFile } from 'node:fs/promises';
import { END } from './failure-reporter.ts';

/** More files than this do not fail by chance. */
const MAX_FILES = 3;

interface Failure {
  readonly file?: string;
  readonly name: string;
}

/**
 * Runs the few files once more whose tests failed in a run of many, and resolves to the second exit code: a machine in
 * trouble must not stop a change, and a test that fails twice does. Says which tests were unsteady, because each of them
 * is a fault to be found.
 */
export async function runAgain(
  failureFile: string,
  run: (files: readonly string[]) => Promise<number>,
): Promise<number> {
  const text = await readFile(failureFile, 'utf8').catch(() => '');
  if (!text.endsWith(END)) return 1;
  const failures = text
    .slice(0, -END.length)
    .split('\n')
    .filter(Boolean)
    .map((line): Failure => JSON.parse(line));
  const files = [...new Set(failures.map(({ file }) => file))];
  if (files.length === 0 || files.length > MAX_FILES || files.includes(undefined)) return 1;
  console.error(`\nRunning again, alone, what failed: ${files.join(' ')}\n`);
  const code = await run(files as string[]);
  if (code === 0) {
    console.error('UNSTEADY: these failed, and passed in a second run:');
    for (const { file, name } of failures) console.error(`  ${name} (${file})`);
  }
  return code;
}
