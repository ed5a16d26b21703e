import { Code, findProgram, StatusError } from 'containerd-shim-virtiofs/plugin';

/** Where distributions put virtiofsd: the Rust one first, then QEMU's of Debian 12. */
const PLACES = ['/usr/libexec/virtiofsd', '/usr/lib/virtiofsd', '/usr/lib/qemu/virtiofsd'];

/**
 * Finds the virtiofsd of this machine.
 *
 * @throws StatusError NotFound, naming where it was looked for
 */
export async function findDaemon(standard: readonly string[] = PLACES, path?: string): Promise<string> {
  const found = await findProgram('virtiofsd', standard, path);
  if (found !== undefined) return found;
  throw new StatusError(
    Code.NotFound,
    `No virtiofsd in ${standard.join(', ')} or PATH: install it (Debian 13: package virtiofsd; Debian 12: qemu-system-common), ` +
      'or set "virtio_fs_daemon"',
  );
}
