import { execa } from 'execa';
import { chmodSync, mkdirSync, rmdirSync, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Logger } from 'pino';
import { Code, StatusError } from 'ttrpc-ts';
import { DEFAULT_SCRATCH_DIR } from '../config/schema.ts';
import { mountsBeneath } from '../proc/mountinfo.ts';
import type { StateDirectory } from './state-directory.ts';

/** statfs(2): the type of a tmpfs. */
const TMPFS_MAGIC = 0x01021994;
/** An inode for each page of 4 KiB, as a file without content takes memory too. */
const INODES_PER_MIB = 256;
/** How long mount(8) and umount(8) may take, in milliseconds. */
const MOUNT_TIMEOUT_MS = 10_000;

type Scratch = Pick<StateDirectory, 'sharedDirectory' | 'scratchLimitMib'>;

/**
 * Makes a directory that a guest can fill, empty and readable by all. On a tmpfs it is a tmpfs of its own, of the size
 * that is the limit.
 *
 * @throws StatusError Unavailable where the tmpfs cannot be mounted
 */
export async function makeScratch(stateDir: Scratch, directory: string): Promise<void> {
  mkdirSync(directory);
  // Not by mkdir: the umask of a host that a shim started leaves nothing to others.
  chmodSync(directory, 0o755);
  if (!isLimited(stateDir)) return;
  const limit = stateDir.scratchLimitMib;
  const options = `size=${limit}m,nr_inodes=${limit * INODES_PER_MIB},mode=755,nosuid,nodev`;
  try {
    await run('mount', ['-t', 'tmpfs', '-o', options, 'containerd-shim-virtiofs', directory]);
  } catch (error) {
    rmdirSync(directory);
    throw error;
  }
}

/**
 * Unmounts the tmpfs that limited a directory, before it is removed.
 *
 * @throws StatusError Unavailable where it is in use
 */
export async function releaseScratch(directory: string): Promise<void> {
  if (isMountpoint(directory)) await run('umount', ['--', directory]);
}

/** Removes what a host made for scratch directories, where none is left in it. Call it with the state's lock in hand. */
export function removeEmptyScratch(stateDir: StateDirectory): void {
  const { path, scratchDirectory, sharedDirectory, trashDirectories } = stateDir;
  if (scratchDirectory === path) return;
  const top = dirname(scratchDirectory);
  // One that the operator named is the operator's.
  const tops = top === DEFAULT_SCRATCH_DIR ? [top, dirname(top)] : [];
  for (const directory of [sharedDirectory, trashDirectories.at(-1) ?? '', scratchDirectory, ...tops]) {
    try {
      rmdirSync(directory);
    } catch {} // something is in it, or it is gone
  }
}

/** Says, once at a host's start, where a limit is wished for and nothing enforces it. */
export function warnOfScratch(stateDir: StateDirectory, log: Logger): void {
  const { scratchDirectory, scratchLimitMib, path } = stateDir;
  if (scratchLimitMib === 0 || isLimited(stateDir)) return;
  const isOfState = statSync(scratchDirectory).dev === statSync(path).dev;
  log.warn(
    { scratchDir: scratchDirectory, limitMib: scratchLimitMib },
    `Nothing limits what guests write into shares without a source${isOfState ? ', and the state is on the same file system' : ''}: ` +
      'set scratch_dir to a tmpfs, or scratch_limit_mib to 0',
  );
}

const isLimited = ({ sharedDirectory, scratchLimitMib }: Scratch): boolean =>
  scratchLimitMib > 0 && statfsSync(sharedDirectory).type === TMPFS_MAGIC;

function isMountpoint(directory: string): boolean {
  try {
    return mountsBeneath(directory).includes(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

async function run(program: 'mount' | 'umount', args: readonly string[]): Promise<void> {
  const { failed, stderr, shortMessage } = await execa(program, args, {
    stdin: 'ignore',
    stdout: 'ignore',
    reject: false,
    timeout: MOUNT_TIMEOUT_MS,
    killSignal: 'SIGKILL',
    cwd: '/',
  });
  if (failed)
    throw new StatusError(Code.Unavailable, `Cannot ${program} "${args.at(-1)}": ${stderr || shortMessage}`);
}
