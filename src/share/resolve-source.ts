import { realpath } from 'node:fs/promises';

/**
 * The directory that a source names, symbolic links resolved: daemons refuse a link, and one that changes later must not
 * change what is served. A source that cannot be resolved stays as it is; the daemon's own check says what is wrong with it.
 */
export async function resolveSource(source: string): Promise<string> {
  return realpath(source).catch(() => source);
}
