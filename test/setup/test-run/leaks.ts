import type { Machine, Process } from './machine.ts';

/** What a test run left behind. */
export interface Leaks {
  readonly processes: readonly Process[];
  readonly sockets: readonly string[];
  readonly mounts: readonly string[];
  /** Entries of the run's own temporary folder. */
  readonly files: readonly string[];
}

/** What is compared. */
export interface LeakOptions {
  readonly before: Machine;
  readonly after: Machine;
  /** The TMPDIR of the run: it marks what belongs to it, so that other work on this machine is not blamed. */
  readonly temporary: string;
  readonly files: readonly string[];
  /** Blames the run also for unmarked processes of our programs, sockets and mounts; for a machine with no other work. */
  readonly isStrict: boolean;
}

const OUR_PATHS = /csv-|virtiofs|containerd|nydus|jaeger/;
const OUR_PROGRAMS = /^(virtiofsd|nydusd|qemu-system|containerd|jaeger|shim-virtiofs|docker-registry)/;

/** Returns what was not there before the run and is there after it. */
export function findLeaks({ before, after, temporary, files, isStrict }: LeakOptions): Leaks {
  const known = new Set(before.processes.map(({ pid, startTime }) => `${pid} ${startTime}`));
  const isMarked = (path: string): boolean => path === temporary || path.startsWith(`${temporary}/`);
  const isOurs = (one: Process): boolean =>
    isOfRun(one, temporary) || (isStrict && OUR_PROGRAMS.test(one.name));
  const newPaths = (was: readonly string[], is: readonly string[]): string[] =>
    is.filter(
      (path) => isMarked(path.replace(/^@/, '')) || (isStrict && OUR_PATHS.test(path) && !was.includes(path)),
    );
  return {
    processes: after.processes.filter((one) => !known.has(`${one.pid} ${one.startTime}`) && isOurs(one)),
    sockets: newPaths(before.sockets, after.sockets),
    mounts: newPaths(before.mounts, after.mounts),
    files,
  };
}

/** Tells whether a process was started, directly or not, by the run whose TMPDIR is `temporary`. */
export function isOfRun({ environment }: Process, temporary: string): boolean {
  return environment.split('\0').includes(`TMPDIR=${temporary}`);
}

/** Returns a line for each leak. */
export function describeLeaks({ processes, sockets, mounts, files }: Leaks): string[] {
  return [
    ...processes.map(({ pid, command }) => `process ${pid}: ${command}`),
    ...sockets.map((path) => `unix socket ${path}`),
    ...mounts.map((path) => `mount ${path}`),
    ...files.map((path) => `temporary file ${path}`),
  ];
}
