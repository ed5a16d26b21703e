import { StatusError } from 'ttrpc-ts';
import { realpathForeign } from '../foreign/realpath.ts';
import type { TouchOptions } from '../foreign/touch-in-child.ts';

/**
 * The directory that a source names, symbolic links resolved: daemons refuse a link, and one that changes later must not
 * change what is served. A source that cannot be resolved stays as it is; the daemon's own check says what is wrong with it.
 *
 * @throws StatusError DeadlineExceeded or Unavailable where its file system hangs; the signal's reason
 */
export async function resolveSource(source: string, options: TouchOptions): Promise<string> {
  try {
    return await realpathForeign(source, options);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (StatusError.is(error)) throw error;
    return source;
  }
}
