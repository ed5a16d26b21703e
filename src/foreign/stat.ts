import { constants, statSync, type Stats } from 'node:fs';
import { touch, type RunTouch, type Touch } from './touch.ts';
import type { TouchOptions } from './touch-in-child.ts';

/** What is asked of a file, links followed. */
export type ForeignStat = Pick<Stats, 'mode' | 'ino' | 'size' | 'mtimeMs'>;

/**
 * Looks at a path that is not ours, within a limit.
 *
 * @throws a system's error with its `code`; StatusError DeadlineExceeded or Unavailable where its file system hangs
 */
export const statForeign = (path: string, options?: TouchOptions): Promise<ForeignStat> =>
  touch(path, statOf(path), options);

export const isDirectory = ({ mode }: ForeignStat): boolean =>
  (mode & constants.S_IFMT) === constants.S_IFDIR;

export const isFile = ({ mode }: ForeignStat): boolean => (mode & constants.S_IFMT) === constants.S_IFREG;

/** The touch of {@link statForeign}. */
export const statOf = (path: string): Touch<ForeignStat> => ({
  direct: () => statSync(path),
  inChild: (run) => statBy(run, path),
});

/** Looks at a path by stat(1). */
export async function statBy(run: RunTouch, path: string): Promise<ForeignStat> {
  const output = await run('stat', '-L', '-c', '%f %i %s %Y', '--', path);
  const [mode = '', ino, size, seconds] = output.toString().trim().split(' ');
  return {
    mode: Number.parseInt(mode, 16),
    ino: Number(ino),
    size: Number(size),
    mtimeMs: Number(seconds) * 1000,
  };
}
