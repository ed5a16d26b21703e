import { askOnce, askProgram, Code, DaemonError } from 'containerd-shim-virtiofs/plugin';

/**
 * Refuses an executable that is no nydusd with virtio-fs; asked once for as long as the file does not change. Its version
 * tells nothing: a nydusd that cargo built says "unknown".
 *
 * @throws DaemonError FailedPrecondition with what it answered
 */
export const requireNydusd: ReturnType<typeof askOnce<void>> = askOnce(async (path, { timeoutMs }) => {
  const { text, exit, problem } = await askProgram(path, ['virtiofs', '--help'], { timeoutMs });
  if (/--apisock\b/.test(text) && /--sock\b/.test(text)) return;
  const said = text ? JSON.stringify(text.slice(0, 200)) : 'nothing';
  const why = problem === undefined ? '' : ` (${problem})`;
  throw new DaemonError(
    `"${path}" is no nydusd with virtio-fs: "virtiofs --help" answered ${said}${why}; ` +
      'build it with --features virtiofs, or set "virtio_fs_daemon" to one that was',
    { code: Code.FailedPrecondition, exit },
  );
});
