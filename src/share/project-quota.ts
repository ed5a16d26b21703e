import { accessSync, constants, readFileSync } from 'node:fs';
import { basename, delimiter, join } from 'node:path';
import { Code, StatusError } from 'ttrpc-ts';
import { loadExeca } from '../proc/execa.ts';
import { listMounts, mountOf } from '../proc/mountinfo.ts';

/** File systems that count by project id and pass a directory's id on to what is made in it (ext4(5), xfs(5)). */
const FILE_SYSTEMS: ReadonlySet<string> = new Set(['ext4', 'xfs']);
/** What of Debian's packages e2fsprogs and quota is used. */
const PROGRAMS = ['chattr', 'lsattr', 'repquota', 'setquota'] as const;
/** Where project ids of ours begin and how many there are: far above those that people and other programs count up from. */
const FIRST_ID = 2 ** 30;
const ID_COUNT = 2 ** 30;
/** How long one of the programs may take, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** A hard limit. Who has CAP_SYS_RESOURCE may go beyond it on ext4; a virtiofsd gives that up. */
export interface QuotaLimit {
  readonly kib: number;
  readonly inodes: number;
}

/**
 * Finds the mountpoint of the file system that enforces project quotas upon a directory.
 *
 * @returns undefined where the file system does not, or is mounted without them (`prjquota`)
 */
export function quotaMount(directory: string): string | undefined {
  const mount = mountOf(directory);
  if (!mount || !FILE_SYSTEMS.has(mount.fileSystem) || !mount.superOptions.includes('prjquota'))
    return undefined;
  if (mount.root === '/') return mount.mountpoint;
  // The programs know a file system by where the whole of it is mounted.
  const whole = listMounts().find(({ device, root }) => device === mount.device && root === '/');
  return (whole ?? mount).mountpoint;
}

/** The programs for quotas that this machine lacks. */
export const missingQuotaPrograms = (): string[] => PROGRAMS.filter((name) => !isOnPath(name));

/**
 * Limits what is written into an empty directory and below it, by a project id that nothing else on its file system has.
 *
 * @throws StatusError Unavailable where one of the programs fails
 */
export async function limitDirectory(
  directory: string,
  mountpoint: string,
  limit: QuotaLimit,
): Promise<void> {
  const id = String(await freeId(basename(directory), mountpoint));
  await run('setquota', ['-P', id, '0', String(limit.kib), '0', String(limit.inodes), mountpoint]);
  try {
    await run('chattr', ['-p', id, '+P', directory]);
  } catch (error) {
    await forget(id, mountpoint);
    throw error;
  }
}

/**
 * Takes a directory's limit back. Its project id is free again when the directory has been removed.
 *
 * @throws StatusError Unavailable where one of the programs fails
 */
export async function unlimitDirectory(directory: string, mountpoint: string): Promise<void> {
  const [, id = '0'] = /^\s*(\d+) /.exec(await run('lsattr', ['-pd', directory])) ?? [];
  if (Number(id) >= FIRST_ID) await forget(id, mountpoint);
}

const forget = (id: string, mountpoint: string): Promise<string> =>
  run('setquota', ['-P', id, '0', '0', '0', '0', mountpoint]);

/** The first from one that the directory's random name gives, of those without use, limit or name. */
async function freeId(name: string, mountpoint: string): Promise<number> {
  const report = await run('repquota', ['-Pnv', '-O', 'csv', mountpoint]);
  const used = new Set([...report.matchAll(/^#(\d+),/gm)].map(([, id]) => Number(id)));
  for (const id of namedIds()) used.add(id);
  let id = Number.parseInt(name.slice(0, 8), 16) % ID_COUNT;
  while (used.has(FIRST_ID + id)) id = (id + 1) % ID_COUNT;
  return FIRST_ID + id;
}

/** What the administrator has given away (projects(5), projid(5)). */
const namedIds = (): number[] =>
  ['/etc/projects', '/etc/projid'].flatMap((file) =>
    [...textOf(file).matchAll(/^(?:[^:]*:)?(\d+)/gm)].map(([, id]) => Number(id)),
  );

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

function isOnPath(name: string): boolean {
  const directories = process.env['PATH']?.split(delimiter) ?? [];
  return directories.some((directory) => {
    try {
      accessSync(join(directory, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** @returns what it printed */
async function run(program: (typeof PROGRAMS)[number], args: readonly string[]): Promise<string> {
  const execa = await loadExeca();
  const { failed, stdout, stderr, shortMessage } = await execa(program, args, {
    stdin: 'ignore',
    reject: false,
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
    cwd: '/',
    env: { LC_ALL: 'C' },
  });
  if (!failed) return stdout;
  throw new StatusError(
    Code.Unavailable,
    `Cannot limit a directory: ${program} ${args.join(' ')}: ${stderr || shortMessage}`,
  );
}
