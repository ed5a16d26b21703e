import { askOnce, askProgram, Code, DaemonError } from 'containerd-shim-virtiofs/plugin';

/** Which virtiofsd: QEMU's former one in C, or the Rust one. Their argument lines differ. */
export type Dialect = 'c' | 'rust';

/** What a virtiofsd executable said of itself. */
export interface VirtiofsdProgram {
  readonly dialect: Dialect;
  readonly version: string;
}

/** Which virtiofsd it is: what the settings say, else what it says of itself. */
export async function identifyDaemon(
  settings: { daemonPath: string; dialect: Dialect | 'auto'; startTimeoutMs: number },
  signal: AbortSignal | undefined,
): Promise<{ readonly dialect: Dialect; readonly version?: string }> {
  const { daemonPath, dialect, startTimeoutMs: timeoutMs } = settings;
  return dialect === 'auto' ? probeVirtiofsd(daemonPath, { signal, timeoutMs }) : { dialect };
}

/**
 * Asks an executable for its dialect and version, once for as long as the file does not change.
 *
 * @throws DaemonError where it does not answer like a virtiofsd within the limit
 */
export const probeVirtiofsd: ReturnType<typeof askOnce<VirtiofsdProgram>> = askOnce(
  async (path, { timeoutMs }) => {
    const { text, exit, problem } = await askProgram(path, ['--version'], { timeoutMs });
    const version = /^virtiofsd(?: version)? (\d\S*)/m.exec(text)?.[1];
    if (version === undefined) {
      const said = text ? JSON.stringify(text.slice(0, 200)) : 'nothing';
      const why = problem === undefined ? '' : ` (${problem})`;
      throw new DaemonError(
        `Cannot tell which virtiofsd "${path}" is: "--version" answered ${said}${why}; ` +
          'set "virtio_fs_dialect" to "c" or "rust" if it is one',
        { code: Code.FailedPrecondition, exit },
      );
    }
    // The C one was versioned with QEMU and says "virtiofsd version 7.2.22"; the Rust one says "virtiofsd 1.14.0".
    return { dialect: /^virtiofsd version /m.test(text) ? 'c' : 'rust', version };
  },
);
