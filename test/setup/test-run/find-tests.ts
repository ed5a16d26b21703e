import { glob } from 'node:fs/promises';

const slow = /^test\/(integration|interop|chaos|bench)\//;

/** Resolves to the test files; the fast ones are those under test/ that need nothing but Node. */
export async function findTests(which: 'all' | 'fast'): Promise<string[]> {
  const files = await Array.fromAsync(
    glob('{test,src,plugin,examples}/**/*.test.ts', { exclude: ['**/node_modules', '**/dist'] }),
  );
  const all = files.filter((file) => !file.startsWith('test/bench/')).toSorted();
  return which === 'all' ? all : all.filter((file) => file.startsWith('test/') && !slow.test(file));
}
