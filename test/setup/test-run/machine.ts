import { readdir, readFile } from 'node:fs/promises';
import { mountsBeneath } from '../../../src/proc/mountinfo.ts';
import { identify, type ProcessIdentity } from '../../../src/proc/stat.ts';

/** A process of this machine. */
export interface Process extends ProcessIdentity {
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
  const [processes, sockets] = await Promise.all([observeProcesses(), readFile('/proc/net/unix', 'utf8')]);
  return { processes, sockets: parseSockets(sockets), mounts: mountsBeneath('/') };
}

async function observeProcesses(): Promise<Process[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const read = (file: string): Promise<string> => readFile(`/proc/${pid}/${file}`, 'utf8');
      try {
        const identity = identify(pid);
        if (!identity) return [];
        const environment = await read('environ');
        const command = (await read('cmdline')).replaceAll('\0', ' ').trimEnd();
        return [{ ...identity, name: (await read('comm')).trimEnd(), command, environment }];
      } catch {
        return []; // ended meanwhile, or not ours to see
      }
    }),
  );
  return found.flat();
}

/** Parses the paths out of /proc/net/unix; abstract ones begin with `@`. */
export function parseSockets(table: string): string[] {
  return table
    .split('\n')
    .flatMap((line) => /^(?:\S+\s+){7}(.+)$/.exec(line)?.[1] ?? [])
    .slice(1);
}
