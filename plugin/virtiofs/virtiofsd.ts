import type {
  Daemon,
  DaemonEnd,
  Daemons,
  DaemonSpec,
  EndMeaning,
  Program,
} from 'containerd-shim-virtiofs/plugin';
import { virtiofsdCArgs } from './arguments-c.ts';
import { virtiofsdRustArgs } from './arguments-rust.ts';
import { findDaemon } from './find.ts';
import { probeVirtiofsd } from './probe.ts';
import type { VirtiofsdSettings } from './settings.ts';
import { invalid, refuseRustOnly, validate } from './validate.ts';

/** How long a virtiofsd whose output does not reach us must have lived to count as waiting, in milliseconds. */
const SETTLE_MS = 50;

/** A virtiofsd as the core starts it, but for its places. */
export function describeVirtiofsd(
  settings: VirtiofsdSettings,
): Omit<DaemonSpec, 'socketPath' | 'outputPath'> {
  const { cache, sourcePath, startTimeoutMs, stopTimeoutMs } = settings;
  return {
    name: 'virtiofsd',
    attributes: { 'virtiofsd.cache_mode': cache, 'virtiofsd.shared_dir': sourcePath },
    program: ({ signal }) => programOf(settings, signal),
    socket: 'handed-over',
    ready: isSilent(settings) ? { settleMs: SETTLE_MS } : { line: /Waiting for/ },
    connectedLine: /Client connected|Received vhost-user socket connection/,
    startTimeoutMs,
    startTimeoutRemedy: 'raise virtio_fs_start_timeout_ms',
    stopTimeoutMs,
    explainEnd,
  };
}

/** Where one virtiofsd runs, for programs without a host. */
export interface StartVirtiofsdOptions extends NonNullable<Parameters<Daemons['start']>[1]> {
  /** From `createDaemons()`. */
  readonly daemons: Pick<Daemons, 'start'>;
  /** The vhost-user socket. */
  readonly socketPath: string;
  /** The file that takes its output. */
  readonly outputPath: string;
}

/**
 * Starts one virtiofsd. Clients can connect to the socket as soon as this returns; `ready` says whether it serves.
 *
 * @throws StatusError InvalidArgument for an empty or impossible setting, NotFound where the source or the daemon
 *   is missing
 * @throws DaemonError when the process cannot be started
 */
export async function startVirtiofsd(
  settings: VirtiofsdSettings,
  place: StartVirtiofsdOptions,
): Promise<Daemon> {
  const { daemons, socketPath, outputPath, ...options } = place;
  // Kata looks at the daemon's path first.
  if (settings.daemonPath !== '' && !socketPath) throw invalid('virtiofsd socket path is empty');
  return daemons.start({ ...describeVirtiofsd(settings), socketPath, outputPath }, options);
}

async function programOf(settings: VirtiofsdSettings, signal: AbortSignal | undefined): Promise<Program> {
  const daemonPath = settings.daemonPath ?? (await findDaemon());
  await validate({ ...settings, daemonPath }, { signal });
  const { dialect, version } =
    settings.dialect === 'auto'
      ? await probeVirtiofsd(daemonPath, { signal })
      : { dialect: settings.dialect, version: undefined };
  if (dialect === 'c') refuseRustOnly(settings);
  const argumentsOf = dialect === 'c' ? virtiofsdCArgs : virtiofsdRustArgs;
  return { command: daemonPath, args: argumentsOf(settings, 0), version };
}

/** Both virtiofsds end with status 0 when their VMM has left, and both say why they could not start in one line. */
function explainEnd({ exitCode, lastLines }: DaemonEnd): EndMeaning {
  const hasLeft =
    exitCode === 0 || (exitCode === undefined && /Client disconnected/.test(lastLines.at(-1) ?? ''));
  return { reason: hasLeft ? 'disconnected' : 'failed', words: explanationIn(lastLines) };
}

/** The argument parser's `error:` line, else the last line that is an error, else the last line. */
const explanationIn = (lines: readonly string[]): string | undefined =>
  lines.find((line) => line.startsWith('error: ')) ??
  lines.findLast((line) => /\bERROR\b/.test(line)) ??
  lines.at(-1);

/** True where the line that says "waiting" will not reach our file. */
const isSilent = ({ syslog, extraArgs }: VirtiofsdSettings): boolean =>
  syslog || extraArgs.some((argument) => /^--(syslog|log-level)|log_level/.test(argument));
