import { glob } from 'node:fs/promises';

/** Need real parts, a guest, or many processes: those of commands start hosts, the package's run npm. */
const SLOW_FOLDERS = [
  'chaos',
  'cli',
  'integration',
  'interop',
  'plugin/nydus',
  'plugin/shim',
  'services/events',
];
/** Take more than two seconds each. */
const SLOW_FILES = [
  'foreign/touch-in-child',
  'host/bind-mounts',
  'host/hung-paths',
  'host/keep-files',
  'host/keep-lock',
  'host/leftovers',
  'host/nydus',
  'host/nydus-adopted-images',
  'host/nydus-replay',
  'host/plugins/load',
  'host/sandbox-record',
  'host/sandboxes',
  'host/state-loss',
  'services/controller/grpc-server',
  'services/hand-over/take-over',
  'services/idle',
  'services/share-api/share-service',
  'share/project-quota',
  'share/reap',
  'tracing/collector',
  'tracing/export',
  'ttrpc-ts/congestion',
  'ttrpc-ts/fuzz',
  'ttrpc-ts/many-large',
  'ttrpc-ts/package',
  'ttrpc-ts/package-managers',
  'ttrpc-ts/unread-streams',
];

/** What the paths of slow test files begin with. */
export const SLOW: readonly string[] = [
  ...SLOW_FOLDERS.map((name) => `test/${name}/`),
  ...SLOW_FILES.map((name) => `test/${name}.test.ts`),
];

/** Resolves to the test files; the fast ones are those under test/ that take about a minute together. */
export async function findTests(which: 'all' | 'fast'): Promise<string[]> {
  const files = await Array.fromAsync(
    glob('{test,src,plugin,examples}/**/*.test.ts', { exclude: ['**/node_modules', '**/dist'] }),
  );
  const all = files.toSorted();
  return which === 'all'
    ? all
    : all.filter((file) => file.startsWith('test/') && !SLOW.some((slow) => file.startsWith(slow)));
}
