import { readFileSync } from 'node:fs';

/** A process, safe against reuse of its pid: `startTime` is in clock ticks since boot (proc(5), stat field 22). */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTime: number;
}

/** Reads the identity of a process, or undefined where no process has that pid or it is a zombie. */
export function identify(pid: number): ProcessIdentity | undefined {
  const stat = readStat(pid);
  return stat && stat.state !== 'Z' && stat.state !== 'X' ? { pid, startTime: stat.startTime } : undefined;
}

/** True while that very process runs, or while nobody can tell; a zombie counts as gone. */
export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
  try {
    return identify(pid)?.startTime === startTime;
  } catch {
    // Out of descriptors, say: what is taken for gone by mistake would never be stopped.
    return true;
  }
}

/** Identifies this boot of the machine: a pid and start time mean nothing after a reboot. */
export function bootId(): string {
  knownBootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return knownBootId;
}

let knownBootId: string | undefined;

/** What /proc/PID/stat says of a process. */
export interface ProcessStat {
  /** One letter, e.g. `R`, `S`, `Z`. */
  readonly state: string;
  readonly parentPid: number;
  /** Processor time in programs and in the kernel, in hundredths of a second. */
  readonly userTicks: number;
  readonly systemTicks: number;
  /** In clock ticks since boot. */
  readonly startTime: number;
}

/** Reads /proc/PID/stat, or returns undefined where no process has that pid; throws any other system error. */
export function readStat(pid: number): ProcessStat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
  return parseStat(text);
}

/** Reads the text of /proc/PID/stat. */
export function parseStat(text: string): ProcessStat {
  // The command name stands in parentheses and may hold anything, so count from the last one.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ', 20);
  return {
    state: fields[0] ?? 'X',
    parentPid: Number(fields[1]),
    userTicks: Number(fields[11]),
    systemTicks: Number(fields[12]),
    startTime: Number(fields[19]),
  };
}
