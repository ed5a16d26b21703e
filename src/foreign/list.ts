import { readdirSync } from 'node:fs';
import { touch, type Touch } from './touch.ts';
import type { TouchOptions } from './touch-in-child.ts';

/**
 * Lists the names in a directory that is not ours, sorted, within a limit.
 *
 * @throws a system's error with its `code`; StatusError DeadlineExceeded or Unavailable where its file system hangs
 */
export const listForeign = (directory: string, options?: TouchOptions): Promise<string[]> =>
  touch(directory, listOf(directory), options);

/** The touch of {@link listForeign}. */
export const listOf = (directory: string): Touch<string[]> => ({
  direct: () => readdirSync(directory).toSorted(),
  inChild: async (run) => {
    // With the slash, a link is followed and what is no directory refused.
    const paths = await run('find', `${directory}/`, '-mindepth', '1', '-maxdepth', '1', '-print0');
    return paths
      .toString()
      .split('\0')
      .filter(Boolean)
      .map((path) => path.slice(directory.length + 1))
      .toSorted();
  },
});
