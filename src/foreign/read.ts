import { closeSync, constants, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { Code, StatusError } from 'ttrpc-ts';
import { isDirectory, isFile, statBy, type ForeignStat } from './stat.ts';
import { touch, type Touch } from './touch.ts';
import type { TouchOptions } from './touch-in-child.ts';

/** A longer file is refused, in bytes. */
const MAX_FILE_BYTES = 16 << 20;

/**
 * Reads a file that is not ours, within a limit. Nothing but a regular file is opened for longer than to see what it is.
 *
 * @throws StatusError InvalidArgument for what is no regular file or too long, DeadlineExceeded or Unavailable where its
 *   file system hangs; a system's error with its `code`
 */
export const readForeign = (path: string, options?: TouchOptions): Promise<Buffer> =>
  touch(path, readOf(path), options);

/** {@link readForeign} for a path that the caller trusts to answer. */
export function readRegularFile(path: string): Buffer {
  return withRegularFile(path, (fd, found) => {
    requireShort(path, found);
    return readFileSync(fd);
  });
}

function withRegularFile<T>(path: string, read: (fd: number, found: ForeignStat) => T): T {
  // A FIFO would wait for somebody to write.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    const found = fstatSync(fd);
    requireRegular(path, found);
    return read(fd, found);
  } finally {
    closeSync(fd);
  }
}

/**
 * Reads so many bytes of a file that is not ours, fewer where it ends, within a limit.
 *
 * @throws as {@link readForeign} does
 */
export const readForeignPart = (
  path: string,
  part: { readonly offset: number; readonly length: number },
  options?: TouchOptions,
): Promise<Buffer> => touch(path, partOf(path, part), options);

/** The touch of {@link readForeignPart}. */
export const partOf = (
  path: string,
  { offset, length }: { readonly offset: number; readonly length: number },
): Touch<Buffer> => ({
  direct: () =>
    withRegularFile(path, (fd) => {
      const bytes = Buffer.alloc(length);
      return bytes.subarray(0, readSync(fd, bytes, 0, length, offset));
    }),
  inChild: async (run) => {
    requireRegular(path, await statBy(run, path));
    const units = ['iflag=skip_bytes,count_bytes,fullblock', `skip=${offset}`, `count=${length}`];
    return run('dd', `if=${path}`, ...units, 'status=none');
  },
});

/** The touch of {@link readForeign}. */
export const readOf = (path: string): Touch<Buffer> => ({
  direct: () => readRegularFile(path),
  inChild: async (run) => {
    const found = await statBy(run, path);
    requireRegular(path, found);
    requireShort(path, found);
    return run('head', '-c', `${MAX_FILE_BYTES}`, '--', path);
  },
});

function requireRegular(path: string, found: ForeignStat): void {
  if (isDirectory(found))
    throw Object.assign(new Error(`EISDIR: is a directory, '${path}'`), { code: 'EISDIR' });
  if (!isFile(found)) throw new StatusError(Code.InvalidArgument, `"${path}" is not a regular file`);
}

function requireShort(path: string, found: ForeignStat): void {
  if (found.size <= MAX_FILE_BYTES) return;
  throw new StatusError(Code.InvalidArgument, `"${path}" has more than ${MAX_FILE_BYTES} bytes`);
}
