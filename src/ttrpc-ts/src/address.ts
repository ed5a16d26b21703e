import { Code } from './code.ts';
import { StatusError } from './status-error.ts';

/**
 * Checks that a unix socket path fits into the kernel's `sun_path`. Node.js cuts a longer one off in silence.
 *
 * @throws StatusError InvalidArgument
 */
export function checkSocketPath(path: string): void {
  const length = Buffer.byteLength(path);
  if (length === 0) throw new StatusError(Code.InvalidArgument, 'Cannot use an empty socket path');
  if (length <= MAX_SOCKET_PATH_BYTES) return;
  throw new StatusError(
    Code.InvalidArgument,
    `Cannot use socket path "${path}": it has ${length} bytes, at most ${MAX_SOCKET_PATH_BYTES} fit`,
  );
}

/** Bytes that a unix socket path may have on Linux (unix(7)): 108 with the closing zero. */
export const MAX_SOCKET_PATH_BYTES = 107;
