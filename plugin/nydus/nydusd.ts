import {
  Code,
  requireProgram,
  StatusError,
  type DaemonSpec,
  type DaemonTraits,
  type Program,
  type SharePaths,
} from 'containerd-shim-virtiofs/plugin';
import { existsSync } from 'node:fs';
import { createApi } from './api-client.ts';
import type { NydusConfig } from './config.ts';
import { findDaemon } from './find.ts';
import { withoutSecrets } from './mask.ts';
import { openFileLimit } from './open-files.ts';
import { requireNydusd } from './probe.ts';
import { explainEnd, levelOf } from './words.ts';

/** Where the guest finds the shared directory (Kata's place for it). */
export const CONTAINERS = '/containers';

/** How long an adopted nydusd may take to answer on its API until it counts as held up, in milliseconds. */
const ANSWER_MS = 1000;

type Settings = Pick<NydusConfig, 'daemonPath' | 'extraArgs' | 'debug' | 'startTimeoutMs' | 'stopTimeoutMs'>;

/** A nydusd as the core starts it, but for its output. */
export function describeNydusd(
  settings: Settings,
  paths: SharePaths,
  listener: Pick<DaemonTraits, 'onLine'>,
): Omit<DaemonSpec, 'socketPath' | 'outputPath'> {
  return {
    ...traitsOf(settings, paths),
    ...listener,
    program: async ({ signal }) => ({
      command: await requireDaemon(settings, { signal }),
      args: nydusdArgs(settings, paths),
    }),
    // By then it has bound its socket: it does so before it answers at all.
    ready: { probe: ({ signal }) => serves(paths, { signal }) },
  };
}

/** A nydusd that another host started at that time. */
export function describeAdopted(
  settings: Settings,
  paths: SharePaths,
  { startedAt, ...listener }: Pick<DaemonTraits, 'onLine'> & { startedAt: Date },
): Omit<DaemonTraits, 'socketPath' | 'outputPath'> {
  const wasReady = (): boolean => Date.now() - startedAt.getTime() > settings.startTimeoutMs;
  return {
    ...traitsOf(settings, paths),
    ...listener,
    ready: {
      probe: async ({ signal }) => {
        const limit = AbortSignal.timeout(ANSWER_MS);
        try {
          // One whose API has vanished is none that has failed.
          return (await serves(paths, { signal: AbortSignal.any([signal, limit]) })) || wasReady();
        } catch (error) {
          // Only a mount holds up its API, and none is made before it is ready.
          if (error === limit.reason) return true;
          throw error;
        }
      },
    },
  };
}

/** True when a nydusd runs and serves the shared directory, which it is told to where nobody has. */
async function serves(
  { apiSocketPath, sharedDir }: SharePaths,
  options: { signal: AbortSignal },
): Promise<boolean> {
  const api = createApi(apiSocketPath);
  const daemon = await api.find(options);
  if (daemon?.state !== 'RUNNING') return false;
  if (!daemon.mounts.has(CONTAINERS)) await api.mountDirectory(CONTAINERS, sharedDir, options);
  return true;
}

function traitsOf(
  settings: Settings,
  { socketPath, apiSocketPath, sharedDir }: SharePaths,
): Omit<DaemonTraits, 'socketPath' | 'outputPath' | 'ready'> {
  const { startTimeoutMs, stopTimeoutMs } = settings;
  return {
    name: 'nydusd',
    attributes: { 'nydusd.shared_dir': sharedDir, 'nydusd.api_socket_path': apiSocketPath },
    socket: 'own',
    apiSocketPath,
    servesOneClient: true,
    // It removes its socket when its VMM has come.
    hadClient: () => !existsSync(socketPath),
    startTimeoutMs,
    startTimeoutRemedy: 'raise virtio_fs_start_timeout_ms',
    stopTimeoutMs,
    mask: withoutSecrets,
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
