import { glob } from 'node:fs/promises';

/** Need real parts, or start many processes: the script's tests start hosts, the package's tests run npm. */
const SLOW =
  /^test\/(integration|interop|chaos|plugin\/shim)\/|^test\/ttrpc-ts\/package(-managers)?\.test\.ts$/;

/** Resolves to the test files; the fast ones are those under test/ that need nothing but Node. */
export async function findTests(which: 'all' | 'fast'): Promise<string[]> {
  const files = await Array.fromAsync(
    glob('{test,src,plugin,examples}/**/*.test.ts', { exclude: ['**/node_modules', '**/dist'] }),
  );
  const all = files.toSorted();
  return which === 'all' ? all : all.filter((file) => file.startsWith('test/') && !SLOW.test(file));
}
