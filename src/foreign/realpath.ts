import { realpathSync } from 'node:fs';
import { touch, type Touch } from './touch.ts';
import type { TouchOptions } from './touch-in-child.ts';

/**
 * Resolves the symbolic links of a path that is not ours, within a limit.
 *
 * @throws a system's error with its `code`; StatusError DeadlineExceeded or Unavailable where its file system hangs
 */
export const realpathForeign = (path: string, options?: TouchOptions): Promise<string> =>
  touch(path, realpathOf(path), options);

/** The touch of {@link realpathForeign}. */
export const realpathOf = (path: string): Touch<string> => ({
  direct: () => realpathSync.native(path),
  inChild: async (run) => (await run('realpath', '-e', '--', path)).toString().replace(/\n$/, ''),
});
