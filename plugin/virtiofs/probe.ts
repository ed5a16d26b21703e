import { abortable, Code, daemonEnvironment, DaemonError } from 'containerd-shim-virtiofs/plugin';
import { execa } from 'execa';
import { statSync } from 'node:fs';

/** Which virtiofsd: QEMU's former one in C, or the Rust one. Their argument lines differ. */
export type Dialect = 'c' | 'rust';

/** What a virtiofsd executable said of itself. */
export interface VirtiofsdProgram {
  readonly dialect: Dialect;
  readonly version: string;
}

const PROBE_TIMEOUT_MS = 5000;
/** More than this of an answer is not read, in bytes. */
const MAX_ANSWER_BYTES = 64 * 1024;

const probes = new Map<string, Promise<VirtiofsdProgram>>();

/**
 * Asks an executable for its dialect and version, once for as long as the file does not change.
 *
 * @throws DaemonError where it does not answer like a virtiofsd
 */
export async function probeVirtiofsd(
  path: string,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<VirtiofsdProgram> {
  const { mtimeMs, size, ino } = statSync(path);
  const key = `${path}:${ino}:${size}:${mtimeMs}`;
  let probe = probes.get(key);
  if (!probe) {
    probe = askVersion(path);
    probes.set(key, probe);
    probe.catch(() => probes.delete(key));
  }
  return abortable(probe, signal);
}

async function askVersion(path: string): Promise<VirtiofsdProgram> {
  const result = await execa(path, ['--version'], {
    reject: false,
    all: true,
    stdin: 'ignore',
    timeout: PROBE_TIMEOUT_MS,
    killSignal: 'SIGKILL',
    maxBuffer: MAX_ANSWER_BYTES,
    extendEnv: false,
    env: daemonEnvironment(),
  });
  const answer = result.all ?? '';
  const version = /^virtiofsd(?: version)? (\d\S*)/m.exec(answer)?.[1];
  if (version === undefined) {
    const said = answer ? JSON.stringify(answer.slice(0, 200)) : 'nothing';
    const why = result.failed && result.exitCode === undefined ? ` (${result.shortMessage})` : '';
    throw new DaemonError(
      `Cannot tell which virtiofsd "${path}" is: "--version" answered ${said}${why}; ` +
        'set "virtio_fs_dialect" to "c" or "rust" if it is one',
      { code: Code.FailedPrecondition, exit: { exitCode: result.exitCode, signal: result.signal } },
    );
  }
  // The C one was versioned with QEMU and says "virtiofsd version 7.2.22"; the Rust one says "virtiofsd 1.14.0".
  return { dialect: /^virtiofsd version /m.test(answer) ? 'c' : 'rust', version };
}
