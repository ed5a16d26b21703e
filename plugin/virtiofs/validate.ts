import {
  Code,
  isDirectory,
  messageOf,
  requireProgram,
  statForeign,
  StatusError,
  systemStatus,
  type TouchOptions,
} from 'containerd-shim-virtiofs/plugin';
import { CACHE_MODES } from './config.ts';
import { findProblem } from './extra-args/check.ts';
import type { Dialect } from './probe.ts';
import type { VirtiofsdSettings } from './settings.ts';

/**
 * Refuses what no virtiofsd could serve (Kata's `virtiofsd.valid()`: same checks, same order).
 *
 * @throws StatusError InvalidArgument for an empty or impossible setting, NotFound where the source or the daemon
 *   is missing, DeadlineExceeded or Unavailable where one of their file systems hangs
 */
export async function validate(
  settings: VirtiofsdSettings & { daemonPath: string },
  { signal }: Pick<TouchOptions, 'signal'>,
): Promise<void> {
  const { daemonPath, sourcePath, cache, startTimeoutMs: timeoutMs } = settings;
  if (!daemonPath) throw invalid('virtiofsd daemon path is empty: set "virtio_fs_daemon"');
  if (!sourcePath) throw invalid('virtiofsd source path is empty: name the directory to share');
  await requireDirectory(sourcePath, { signal, timeoutMs });
  if (!(CACHE_MODES as readonly string[]).includes(cache)) {
    throw invalid(`Invalid virtio-fs cache mode: "${cache}": use one of ${CACHE_MODES.join(', ')}`);
  }
  await requireDaemon(daemonPath, { signal, timeoutMs });
}

/** Refuses a daemon that is none. */
export async function requireDaemon(daemonPath: string, options: TouchOptions): Promise<void> {
  if (!daemonPath) throw invalid('virtiofsd daemon path is empty: set "virtio_fs_daemon"');
  await requireProgram(daemonPath, {
    ...options,
    what: 'virtiofsd daemon',
    whereMissing: 'install virtiofsd, or set "virtio_fs_daemon" to where it is',
    whereWrong: 'set "virtio_fs_daemon" to the virtiofsd program',
  });
}

/** Refuses what only the Rust virtiofsd can do. */
export function refuseRustOnly({ cache, readOnly }: Pick<VirtiofsdSettings, 'cache' | 'readOnly'>): void {
  const remedy = 'use the Rust virtiofsd';
  if (readOnly)
    throw new StatusError(Code.Unimplemented, `The C virtiofsd has no read-only shares: ${remedy}`);
  if (cache === 'metadata')
    throw invalid(`The C virtiofsd has no cache mode "metadata": ${remedy} or another mode`);
}

/** Refuses extra arguments that are not this virtiofsd's, or that are ours to set. */
export function requireKnownArgs(
  settings: Pick<VirtiofsdSettings, 'extraArgs' | 'allowUnknownArgs'>,
  dialect: Dialect,
): void {
  const { extraArgs, allowUnknownArgs: allowUnknown } = settings;
  const problem = findProblem(extraArgs, { dialect, allowUnknown });
  if (problem) throw invalid(`Extra argument "${extraArgs[problem.index]}" of virtiofsd: ${problem.message}`);
}

async function requireDirectory(path: string, options: TouchOptions): Promise<void> {
  const found = await statForeign(path, options).catch((cause: unknown) => {
    options.signal?.throwIfAborted();
    if (StatusError.is(cause)) throw cause;
    const doing = 'virtiofsd source path is not available';
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT')
      throw new StatusError(Code.NotFound, `${doing}: "${path}": create it first`, { cause });
    throw (
      systemStatus(cause, { doing, path }) ??
      invalid(`${doing}: ${JSON.stringify(path)}: ${messageOf(cause)}`)
    );
  });
  if (!isDirectory(found)) throw invalid(`virtiofsd source path is not a directory: "${path}"`);
}

export const invalid = (message: string): StatusError => new StatusError(Code.InvalidArgument, message);
