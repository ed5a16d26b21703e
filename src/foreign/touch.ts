import { mountThatCanHang } from './mount-that-can-hang.ts';
import { touchInChild, type TouchOptions } from './touch-in-child.ts';

/** Runs a program that touches the path by a single process, and resolves to its output. */
export type RunTouch = (command: string, ...args: string[]) => Promise<Buffer>;

/** A touch of a path, in both its ways. */
export interface Touch<T> {
  /** Where nothing on the way can hang. */
  readonly direct: () => T;
  readonly inChild: (run: RunTouch) => Promise<T>;
}

/**
 * Touches a path that is not ours: directly, or by children where its file system may hang.
 *
 * @throws StatusError DeadlineExceeded or Unavailable where it hangs; the signal's reason; else what the touch throws, a
 *   system's error with its `code`
 */
export async function touch<T>(
  path: string,
  { direct, inChild }: Touch<T>,
  options: TouchOptions = {},
): Promise<T> {
  options.signal?.throwIfAborted();
  const mount = mountThatCanHang(path);
  return mount ? inChild((...command) => touchInChild(command, { path, mount }, options)) : direct();
}
