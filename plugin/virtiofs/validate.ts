import { Code, messageOf, requireProgram, StatusError, systemStatus } from 'containerd-shim-virtiofs/plugin';
import { stat } from 'node:fs/promises';
import { CACHE_MODES } from './config.ts';
import { findProblem } from './extra-args/check.ts';
import type { Dialect } from './probe.ts';
import type { VirtiofsdSettings } from './settings.ts';

/**
 * Refuses what no virtiofsd could serve (Kata's `virtiofsd.valid()`: same checks, same order).
 *
 * @throws StatusError InvalidArgument for an empty or impossible setting, NotFound where the source or the daemon
 *   is missing
 */
export async function validate(settings: VirtiofsdSettings & { daemonPath: string }): Promise<void> {
  const { daemonPath, sourcePath, cache } = settings;
  if (!daemonPath) throw invalid('virtiofsd daemon path is empty: set "virtio_fs_daemon"');
  if (!sourcePath) throw invalid('virtiofsd source path is empty: name the directory to share');
  await requireDirectory(sourcePath);
  if (!(CACHE_MODES as readonly string[]).includes(cache)) {
    throw invalid(`Invalid virtio-fs cache mode: "${cache}": use one of ${CACHE_MODES.join(', ')}`);
  }
  requireProgram(daemonPath, {
    what: 'virtiofsd daemon',
    whereMissing: 'install virtiofsd, or set "virtio_fs_daemon" to where it is',
    whereWrong: 'set "virtio_fs_daemon" to the virtiofsd program',
  });
}

/** Refuses what only the Rust virtiofsd can do. */
export function refuseRustOnly({ cache, readOnly }: VirtiofsdSettings): void {
  const remedy = 'use the Rust virtiofsd';
  if (readOnly)
    throw new StatusError(Code.Unimplemented, `The C virtiofsd has no read-only shares: ${remedy}`);
  if (cache === 'metadata')
    throw invalid(`The C virtiofsd has no cache mode "metadata": ${remedy} or another mode`);
}

/** Refuses extra arguments that are not this virtiofsd's, or that are ours to set. */
export function requireKnownArgs(settings: VirtiofsdSettings, dialect: Dialect): void {
  const { extraArgs, allowUnknownArgs: allowUnknown } = settings;
  const problem = findProblem(extraArgs, { dialect, allowUnknown });
  if (problem) throw invalid(`Extra argument "${extraArgs[problem.index]}" of virtiofsd: ${problem.message}`);
}

async function requireDirectory(path: string): Promise<void> {
  const found = await stat(path).catch((cause: unknown) => {
    const doing = 'virtiofsd source path is not available';
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT')
      throw new StatusError(Code.NotFound, `${doing}: "${path}": create it first`, { cause });
    throw (
      systemStatus(cause, { doing, path }) ??
      invalid(`${doing}: ${JSON.stringify(path)}: ${messageOf(cause)}`)
    );
  });
  if (!found.isDirectory()) throw invalid(`virtiofsd source path is not a directory: "${path}"`);
}

export const invalid = (message: string): StatusError => new StatusError(Code.InvalidArgument, message);
