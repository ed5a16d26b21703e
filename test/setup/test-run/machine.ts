import { readdir, readFile } from 'node:fs/promises';

/** A process of this machine. */
export interface Process {
  readonly pid: number;
  /** With the pid, names a process for good: when it started, in ticks since boot. */
  readonly startTime: string;
  readonly name: string;
  /** Program and arguments. */
  readonly command: string;
  readonly environment: string;
}

/** What tests could leave behind. */
export interface Machine {
  readonly processes: readonly Process[];
  /** Paths of unix sockets. */
  readonly sockets: readonly string[];
  /** Mount points. */
  readonly mounts: readonly string[];
}

/** Resolves to what runs, listens and is mounted now. */
export async function observe(): Promise<Machine> {
  const [processes, sockets, mounts] = await Promise.all([
    observeProcesses(),
    readFile('/proc/net/unix', 'utf8'),
    readFile('/proc/self/mountinfo', 'utf8'),
  ]);
  return { processes, sockets: parseSockets(sockets), mounts: parseMounts(mounts) };
}

async function observeProcesses(): Promise<Process[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => {
      try {
        const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
        const environment = await readFile(`/proc/${pid}/environ`, 'utf8');
        const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ').trimEnd();
        return [{ pid, environment, command, ...parseStat(stat) }];
      } catch {
        return []; // ended meanwhile, or not ours to see
      }
    }),
  );
  return found.flat().filter(({ state }) => state !== 'Z');
}

/** Parses /proc/pid/stat, in which the name stands in parentheses and may contain some (proc(5)). */
export function parseStat(stat: string): { name: string; state: string; startTime: string } {
  const end = stat.lastIndexOf(')');
  const fields = stat.slice(end + 2).split(' ');
  return {
    name: stat.slice(stat.indexOf('(') + 1, end),
    state: fields[0] ?? '',
    startTime: fields[19] ?? '',
  };
}

/** Parses the paths out of /proc/net/unix; abstract ones begin with `@`. */
export function parseSockets(table: string): string[] {
  return table
    .split('\n')
    .flatMap((line) => /^(?:\S+\s+){7}(.+)$/.exec(line)?.[1] ?? [])
    .slice(1);
}

/** Parses the mount points out of /proc/self/mountinfo, where odd characters stand as octal escapes. */
export function parseMounts(table: string): string[] {
  return table.split('\n').flatMap((line) => {
    const point = line.split(' ')[4];
    return point === undefined
      ? []
      : [point.replace(/\\(\d{3})/g, (_, digits) => String.fromCharCode(parseInt(digits, 8)))];
  });
}
