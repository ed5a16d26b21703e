import {
  resolveSource,
  type Daemon,
  type Daemons,
  type DaemonSpec,
  type Program,
} from 'containerd-shim-virtiofs/plugin';
import { virtiofsdCArgs } from './arguments-c.ts';
import { virtiofsdRustArgs } from './arguments-rust.ts';
import { hidesOutput } from './extra-args/check.ts';
import { findDaemon } from './find.ts';
import { identifyDaemon } from './probe.ts';
import type { VirtiofsdSettings } from './settings.ts';
import { invalid, refuseRustOnly, requireKnownArgs, validate } from './validate.ts';
import { explainEnd, levelOf } from './words.ts';

/** How long a virtiofsd whose output does not reach us must have lived to count as waiting, in milliseconds. */
const SETTLE_MS = 50;

/** A virtiofsd as the core starts it, but for its places. */
export function describeVirtiofsd(
  settings: VirtiofsdSettings,
): Omit<DaemonSpec, 'socketPath' | 'outputPath'> {
  const { cache, sourcePath, startTimeoutMs, clientTimeoutMs, stopTimeoutMs } = settings;
  const silent = isSilent(settings);
  return {
    name: 'virtiofsd',
    attributes: { 'virtiofsd.cache_mode': cache, 'virtiofsd.shared_dir': sourcePath },
    program: ({ signal }) => programOf(settings, signal),
    socket: 'handed-over',
    ready: silent ? { settleMs: SETTLE_MS } : { line: /Waiting for/ },
    ...(silent ? {} : { connectedLine: /Client connected|Received vhost-user socket connection/ }),
    startTimeoutMs,
    startTimeoutRemedy: 'raise virtio_fs_start_timeout_ms',
    clientTimeoutMs,
    clientTimeoutRemedy: 'raise virtio_fs_client_timeout_ms',
    stopTimeoutMs,
    levelOf,
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
  const sourcePath = await resolveSource(settings.sourcePath, {
    signal: options.signal,
    timeoutMs: settings.startTimeoutMs,
  });
  return daemons.start(
    { ...describeVirtiofsd({ ...settings, sourcePath }), socketPath, outputPath },
    options,
  );
}

async function programOf(settings: VirtiofsdSettings, signal: AbortSignal | undefined): Promise<Program> {
  const daemonPath = settings.daemonPath ?? (await findDaemon());
  await validate({ ...settings, daemonPath }, { signal });
  const { dialect, version } = await identifyDaemon({ ...settings, daemonPath }, signal);
  if (dialect === 'c') refuseRustOnly(settings);
  requireKnownArgs(settings, dialect);
  const argumentsOf = dialect === 'c' ? virtiofsdCArgs : virtiofsdRustArgs;
  return { command: daemonPath, args: argumentsOf(settings, 0), version };
}

/** True where the line that says "waiting" will not reach our file. */
const isSilent = ({ syslog, extraArgs }: VirtiofsdSettings): boolean => syslog || hidesOutput(extraArgs);
