import { Code, findProgram, StatusError } from 'containerd-shim-virtiofs/plugin';

/** Where nydus' own installation puts it. */
const PLACES = ['/usr/local/bin/nydusd', '/usr/bin/nydusd'];

/**
 * Finds the nydusd of this machine.
 *
 * @throws StatusError NotFound, naming where it was looked for
 */
export async function findDaemon(standard: readonly string[] = PLACES, path?: string): Promise<string> {
  const found = await findProgram('nydusd', standard, path);
  if (found !== undefined) return found;
  throw new StatusError(
    Code.NotFound,
    `No nydusd in ${standard.join(', ')} or PATH: install it (cargo install nydus-rs --features virtiofs --locked), ` +
      'or set "virtio_fs_daemon"',
  );
}
