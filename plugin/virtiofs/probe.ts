import {
  abortable,
  Code,
  daemonEnvironment,
  DaemonError,
  statForeign,
  systemStatus,
  type TouchOptions,
} from 'containerd-shim-virtiofs/plugin';
import { execa } from 'execa';
import type { ChildProcess } from 'node:child_process';

/** Which virtiofsd: QEMU's former one in C, or the Rust one. Their argument lines differ. */
export type Dialect = 'c' | 'rust';

/** What a virtiofsd executable said of itself. */
export interface VirtiofsdProgram {
  readonly dialect: Dialect;
  readonly version: string;
}

const PROBE_TIMEOUT_MS = 5000;
/** How long what a probed program has left behind may hold its pipe open, in milliseconds. */
const PIPE_GRACE_MS = 100;
/** More than this of an answer is not read, in bytes. */
const MAX_ANSWER_BYTES = 64 * 1024;

const probes = new Map<string, Promise<VirtiofsdProgram>>();

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
export async function probeVirtiofsd(
  path: string,
  { signal, timeoutMs = PROBE_TIMEOUT_MS }: TouchOptions = {},
): Promise<VirtiofsdProgram> {
  const { mtimeMs, size, ino } = await statForeign(path, { signal, timeoutMs });
  const key = `${path}:${ino}:${size}:${mtimeMs}`;
  let probe = probes.get(key);
  if (!probe) {
    probe = askVersion(path, timeoutMs);
    probes.set(key, probe);
    probe.catch(() => probes.delete(key));
  }
  return abortable(probe, signal);
}

async function askVersion(path: string, timeoutMs: number): Promise<VirtiofsdProgram> {
  const subprocess = execa(path, ['--version'], {
    reject: false,
    all: true,
    stdin: 'ignore',
    maxBuffer: MAX_ANSWER_BYTES,
    detached: true,
    cleanup: false,
    extendEnv: false,
    env: daemonEnvironment(),
  });
  const child = subprocess.nodeChildProcess;
  child?.once('exit', () => {
    endGroup(child);
    setTimeout(closePipes, PIPE_GRACE_MS, child).unref();
  });
  const result = await abortable(subprocess, AbortSignal.timeout(timeoutMs)).catch(() => {
    if (child) abandon(child);
    return {
      all: '',
      exitCode: undefined,
      signal: undefined,
      cause: undefined,
      failed: true,
      shortMessage: `not within ${timeoutMs} ms`,
    };
  });
  const noRoom = systemStatus(result.cause, { doing: `Cannot run "${path} --version"` });
  if (noRoom?.code === Code.ResourceExhausted) throw noRoom;
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

/** With the leader's end go those whom it left in its process group; at that moment nobody else has its number. */
function endGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {} // nobody is left
}

/** Whoever still holds the other ends has nothing to say to us. */
function closePipes({ stdout, stderr }: ChildProcess): void {
  stdout?.destroy();
  stderr?.destroy();
}

/** It may be one that nobody can end. */
function abandon(child: ChildProcess): void {
  endGroup(child);
  closePipes(child);
  child.unref();
}
