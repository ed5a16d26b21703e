import { accessSync, constants, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Logger } from 'pino';
import { Code, StatusError } from 'ttrpc-ts';
import { withSpan } from '../../src/tracing/span.ts';
import { startDaemon, type Daemon } from '../../src/daemon/daemon.ts';
import { reportQuit } from '../../src/daemon/report-quit.ts';
import type { Launcher } from '../../src/daemon/pool/launcher.ts';
import { probeVirtiofsd, type Dialect } from './probe.ts';
import { virtiofsdCArgs } from './arguments-c.ts';
import { virtiofsdRustArgs } from './arguments-rust.ts';

/** Kata's cache modes: how long the guest may keep file data and names. */
export const CACHE_MODES = ['auto', 'always', 'metadata', 'never'] as const;

/** What one virtiofsd is to serve, and how. */
export interface VirtiofsdSettings {
  /** Absolute path of the executable. */
  readonly daemonPath: string;
  /** The vhost-user socket. */
  readonly socketPath: string;
  /** The directory to share. */
  readonly sourcePath: string;
  /** One of {@link CACHE_MODES}. */
  readonly cache: string;
  /** Log to syslog(3): hides the output from us; the C daemon dies where there is no /dev/log. */
  readonly syslog: boolean;
  readonly debug: boolean;
  readonly readOnly: boolean;
  /** Passed on last, as they are. */
  readonly extraArgs: readonly string[];
  /** `auto` asks the executable once. */
  readonly dialect: Dialect | 'auto';
}

/** Where and how the process runs. */
export interface VirtiofsdSurroundings {
  readonly outputPath: string;
  readonly startTimeoutMs: number;
  readonly stopTimeoutMs: number;
  readonly log: Logger;
  /** Has a process ready for it. @default one is started now */
  readonly launcher?: Launcher | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Starts one virtiofsd. Clients can connect to the socket as soon as this returns; `ready` says whether it serves.
 *
 * @throws StatusError InvalidArgument for an empty or impossible setting, NotFound where the source or the daemon
 *   is missing (Kata's `virtiofsd.valid()`: same checks, same order)
 * @throws DaemonError when the process cannot be started
 */
export async function startVirtiofsd(
  settings: VirtiofsdSettings,
  where: VirtiofsdSurroundings,
): Promise<Daemon> {
  const { log, signal } = where;
  const { daemonPath, cache, socketPath, sourcePath } = settings;
  const attributes = {
    'virtiofsd.cache_mode': cache,
    'virtiofsd.socket_path': socketPath,
    'virtiofsd.shared_dir': sourcePath,
  };
  return withSpan('virtiofsd.start', attributes, async (span) => {
    const dialect = await withSpan('virtiofsd.validate', {}, async () => {
      await validate(settings);
      return settings.dialect === 'auto'
        ? (await probeVirtiofsd(daemonPath, { signal })).dialect
        : settings.dialect;
    });
    signal?.throwIfAborted();
    if (dialect === 'c') refuseRustOnly(settings);
    const args = dialect === 'c' ? virtiofsdCArgs(settings, 0) : virtiofsdRustArgs(settings, 0);
    log.info({ path: daemonPath, args }, 'Starting virtiofsd');
    const daemon = await startDaemon({
      name: 'virtiofsd',
      command: daemonPath,
      args,
      waitingLine: isSilent(settings) ? undefined : /Waiting for/,
      connectedLine: /Client connected|Received vhost-user socket connection/,
      ...where,
      socketPath,
    });
    span.setAttribute('process.pid', daemon.identity.pid);
    // It ends after its parent: clients need not wait for it, whoever starts the sandbox does.
    const pid = { 'process.pid': daemon.identity.pid };
    void withSpan('virtiofsd.wait_ready', pid, () => daemon.ready).catch(() => {});
    void daemon.exited.then((exit) =>
      reportQuit(exit, { name: 'virtiofsd', log, startedBy: span.spanContext(), attributes: pid }),
    );
    return daemon;
  });
}

function refuseRustOnly({ cache, readOnly, sourcePath }: VirtiofsdSettings): void {
  const remedy = 'use the Rust virtiofsd';
  if (readOnly)
    throw new StatusError(Code.Unimplemented, `The C virtiofsd has no read-only shares: ${remedy}`);
  if (cache === 'metadata')
    throw invalid(`The C virtiofsd has no cache mode "metadata": ${remedy} or another mode`);
  if (sourcePath.includes(','))
    throw invalid(`The C virtiofsd cannot share "${sourcePath}", it has a comma: ${remedy}`);
}

async function validate({ daemonPath, socketPath, sourcePath, cache }: VirtiofsdSettings): Promise<void> {
  if (!daemonPath) throw invalid('virtiofsd daemon path is empty: set "virtio_fs_daemon"');
  if (!socketPath) throw invalid('virtiofsd socket path is empty');
  if (!sourcePath) throw invalid('virtiofsd source path is empty: name the directory to share');
  await requireDirectory(sourcePath);
  if (!(CACHE_MODES as readonly string[]).includes(cache)) {
    throw invalid(`Invalid virtio-fs cache mode: "${cache}": use one of ${CACHE_MODES.join(', ')}`);
  }
  requireExecutable(daemonPath);
}

async function requireDirectory(path: string): Promise<void> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new StatusError(
      Code.NotFound,
      `virtiofsd source path is not available: "${path}": create it first`,
      { cause },
    );
  });
  if (!found.isDirectory()) throw invalid(`virtiofsd source path is not a directory: "${path}"`);
}

/** In place: whoever has the daemon on a file system that hangs is held up by the spawn too, and each hop costs 0.1 ms. */
function requireExecutable(path: string): void {
  let isFile;
  try {
    isFile = statSync(path).isFile();
  } catch (cause) {
    throw new StatusError(
      Code.NotFound,
      `virtiofsd daemon "${path}" does not exist: install virtiofsd, or set "virtio_fs_daemon" to where it is`,
      { cause },
    );
  }
  try {
    accessSync(path, constants.X_OK);
  } catch (cause) {
    throw notExecutable(path, cause);
  }
  if (!isFile) throw notExecutable(path);
}

const notExecutable = (path: string, cause?: unknown): StatusError =>
  new StatusError(
    Code.PermissionDenied,
    `virtiofsd daemon "${path}" is not an executable file: set "virtio_fs_daemon" to the virtiofsd program`,
    { cause },
  );

const invalid = (message: string): StatusError => new StatusError(Code.InvalidArgument, message);

/** True where the line that says "waiting" will not reach our file. */
const isSilent = ({ syslog, extraArgs }: VirtiofsdSettings): boolean =>
  syslog || extraArgs.some((argument) => /^--(syslog|log-level)|log_level/.test(argument));
