import { chmodSync, mkdirSync, rmdirSync, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Logger } from 'pino';
import { DEFAULT_SCRATCH_DIR } from '../config/schema.ts';
import { exists } from '../mount/remove-tree.ts';
import { runMount } from '../mount/run.ts';
import { isMounted } from '../mount/unmount.ts';
import { passMountsOn, releaseMountAreas } from './mount-areas.ts';
import { limitDirectory, missingQuotaPrograms, quotaMount, unlimitDirectory } from './project-quota.ts';
import type { StateDirectory } from './state-directory.ts';

/** statfs(2): the type of a tmpfs. */
const TMPFS_MAGIC = 0x01021994;
/** An inode for each page of 4 KiB, as a file without content takes memory too. */
const INODES_PER_MIB = 256;

type Scratch = Pick<StateDirectory, 'sharedDirectory' | 'scratchLimitMib'>;

/**
 * Makes a directory that a guest can fill, empty and readable by all. On a tmpfs it is a tmpfs of its own, of the size
 * that is the limit; where the file system enforces project quotas, it is a project of its own.
 *
 * @throws StatusError Unavailable where it cannot be limited
 */
export async function makeScratch(stateDir: Scratch, directory: string): Promise<void> {
  mkdirSync(directory);
  // Not by mkdir: the umask of a host that a shim started leaves nothing to others.
  chmodSync(directory, 0o755);
  try {
    await limit(stateDir, directory);
    if (!isMounted(directory)) await passMountsOn(stateDir);
  } catch (error) {
    rmdirSync(directory);
    throw error;
  }
}

async function limit(stateDir: Scratch, directory: string): Promise<void> {
  const means = meansOf(stateDir);
  const mib = stateDir.scratchLimitMib;
  const inodes = mib * INODES_PER_MIB;
  if (means === 'tmpfs') {
    const options = `size=${mib}m,nr_inodes=${inodes},mode=755,nosuid,nodev`;
    const args = ['-t', 'tmpfs', '-o', options, '--make-shared', 'containerd-shim-virtiofs', directory];
    await runMount('mount', args, { about: directory });
    return;
  }
  if (means) await limitDirectory(directory, means.quotaMount, { kib: mib * 1024, inodes });
}

/**
 * Unmounts the tmpfs that limited a directory, or takes its quota back, before it is removed.
 *
 * @throws StatusError Unavailable where it is in use, or its quota cannot be changed
 */
export async function releaseScratch(directory: string): Promise<void> {
  if (!exists(directory)) return;
  if (isMounted(directory)) {
    await runMount('umount', ['--', directory], { about: directory });
    return;
  }
  const mountpoint = quotaMount(directory);
  // Without the programs nothing was limited, or what was stays so, of use to nobody.
  if (mountpoint !== undefined && missingQuotaPrograms().length === 0)
    await unlimitDirectory(directory, mountpoint);
}

/** Removes what a host made for scratch directories, where none is left in it. Call it with the state's lock in hand. */
export async function removeEmptyScratch(stateDir: StateDirectory): Promise<void> {
  const { path, scratchDirectory, sharedDirectory, trashDirectories } = stateDir;
  await releaseMountAreas(stateDir);
  if (scratchDirectory === path) return;
  const top = dirname(scratchDirectory);
  // One that the operator named is the operator's.
  const tops = top === DEFAULT_SCRATCH_DIR ? [top, dirname(top)] : [];
  for (const directory of [trashDirectories.at(-1) ?? '', sharedDirectory, scratchDirectory, ...tops]) {
    try {
      rmdirSync(directory);
    } catch {} // something is in it, or it is gone
  }
}

/** Says, once at a host's start, where a limit is wished for and nothing enforces it. */
export function warnOfScratch(stateDir: StateDirectory, log: Logger): void {
  const { scratchDirectory, scratchLimitMib, path } = stateDir;
  if (scratchLimitMib === 0 || meansOf(stateDir)) return;
  const isOfState = statSync(scratchDirectory).dev === statSync(path).dev;
  log.warn(
    { scratchDir: scratchDirectory, limitMib: scratchLimitMib },
    `Nothing limits what guests write into shares without a source${isOfState ? ', and the state is on the same file system' : ''}: ` +
      remedyFor(stateDir),
  );
}

function remedyFor({ sharedDirectory }: StateDirectory): string {
  const isQuotaOff = quotaMount(sharedDirectory) === undefined;
  return isQuotaOff
    ? 'set scratch_dir to a tmpfs or to a file system with project quotas (mount option prjquota), or scratch_limit_mib to 0'
    : `install ${missingQuotaPrograms().join(', ')} (packages e2fsprogs and quota), or set scratch_limit_mib to 0`;
}

/** What limits a directory there. */
function meansOf({
  sharedDirectory,
  scratchLimitMib,
}: Scratch): 'tmpfs' | { readonly quotaMount: string } | undefined {
  if (scratchLimitMib === 0) return undefined;
  if (statfsSync(sharedDirectory).type === TMPFS_MAGIC) return 'tmpfs';
  const mountpoint = quotaMount(sharedDirectory);
  if (mountpoint === undefined || missingQuotaPrograms().length > 0) return undefined;
  return { quotaMount: mountpoint };
}
