import {
  Code,
  requireProgram,
  StatusError,
  type DaemonSpec,
  type Program,
  type SharePaths,
} from 'containerd-shim-virtiofs/plugin';
import { createApi } from './api-client.ts';
import type { NydusConfig } from './config.ts';
import { findDaemon } from './find.ts';
import { openFileLimit } from './open-files.ts';
import { requireNydusd } from './probe.ts';
import { explainEnd, levelOf } from './words.ts';

/** Where the guest finds the shared directory (Kata's place for it). */
export const CONTAINERS = '/containers';

type Settings = Pick<NydusConfig, 'daemonPath' | 'extraArgs' | 'debug' | 'startTimeoutMs' | 'stopTimeoutMs'>;

/** A nydusd as the core starts it, but for its output. */
export function describeNydusd(
  settings: Settings,
  { socketPath, apiSocketPath, sharedDir }: SharePaths,
): Omit<DaemonSpec, 'socketPath' | 'outputPath'> {
  const { startTimeoutMs, stopTimeoutMs } = settings;
  const api = createApi(apiSocketPath);
  return {
    name: 'nydusd',
    attributes: { 'nydusd.shared_dir': sharedDir, 'nydusd.api_socket_path': apiSocketPath },
    program: async ({ signal }) => ({
      command: await requireDaemon(settings, { signal }),
      args: nydusdArgs(settings, { socketPath, apiSocketPath }),
    }),
    socket: 'own',
    apiSocketPath,
    ready: {
      // By then it has bound its socket: it does so before it answers at all.
      probe: async ({ signal }) => {
        const daemon = await api.find({ signal });
        if (daemon?.state !== 'RUNNING') return false;
        if (!daemon.mounts.has(CONTAINERS)) await api.mountDirectory(CONTAINERS, sharedDir, { signal });
        return true;
      },
    },
    startTimeoutMs,
    startTimeoutRemedy: 'raise virtio_fs_start_timeout_ms',
    stopTimeoutMs,
    levelOf,
    explainEnd,
  };
}

/** Resolves to the path of a nydusd that can serve virtio-fs. */
export async function requireDaemon(
  { daemonPath, startTimeoutMs: timeoutMs }: Pick<Settings, 'daemonPath' | 'startTimeoutMs'>,
  { signal }: { signal?: AbortSignal | undefined },
): Promise<string> {
  const path = daemonPath ?? (await findDaemon());
  if (!path)
    throw new StatusError(Code.InvalidArgument, 'nydusd daemon path is empty: set "virtio_fs_daemon"');
  await requireProgram(path, {
    signal,
    timeoutMs,
    what: 'nydusd daemon',
    whereMissing: 'install nydusd, or set "virtio_fs_daemon" to where it is',
    whereWrong: 'set "virtio_fs_daemon" to the nydusd program',
  });
  await requireNydusd(path, { signal, timeoutMs });
  return path;
}

const nydusdArgs = (
  { debug, extraArgs }: Pick<Settings, 'debug' | 'extraArgs'>,
  { socketPath, apiSocketPath }: Pick<SharePaths, 'socketPath' | 'apiSocketPath'>,
): Program['args'] => [
  'virtiofs',
  '--log-level',
  debug ? 'debug' : 'info',
  '--apisock',
  apiSocketPath,
  '--sock',
  socketPath,
  '--rlimit-nofile',
  `${openFileLimit()}`,
  ...extraArgs,
];
