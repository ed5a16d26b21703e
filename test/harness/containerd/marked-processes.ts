import { readFile, readdir, readlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

import { readStat } from '../../../src/proc/stat.ts';

/** A process that has the mark, or an argument or its output below the marked directory. */
export interface MarkedProcess {
  readonly pid: number;
  readonly parentPid: number;
  readonly argv: readonly string[];
}

const VARIABLE = 'CONTAINERD_HARNESS';

/** The environment that marks a process, and whatever it starts, as belonging to `dir`. */
export function markOf(dir: string): Record<string, string> {
  return { [VARIABLE]: dir };
}

/** All living processes that belong to `dir`, including those that no longer descend from its containerd. */
export async function markedProcesses(dir: string): Promise<MarkedProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const found = await Promise.all(pids.map((pid) => markedProcess(Number(pid), dir)));
  return found.filter((entry) => entry !== undefined);
}

/** The process ids of hosts; what a host has forked looks like it until it becomes its program. */
export function hostsAmong(processes: readonly MarkedProcess[]): number[] {
  const alike = processes.filter(({ argv }) => argv.includes('serve'));
  const pids = alike.map(({ pid }) => pid);
  return alike.flatMap(({ pid, parentPid }) => (pids.includes(parentPid) ? [] : [pid]));
}

/** Ends them with SIGTERM, then SIGKILL, and throws where one is still there a minute later. */
export async function endMarkedProcesses(dir: string): Promise<void> {
  for (const [signal, graceMs] of [
    ['SIGTERM', 3000],
    ['SIGKILL', 60_000],
  ] as const) {
    const deadline = Date.now() + graceMs;
    let left = await markedProcesses(dir);
    for (const { pid } of left) kill(pid, signal);
    while (left.length > 0 && Date.now() < deadline) {
      await sleep(20);
      left = await markedProcesses(dir);
    }
    if (left.length === 0) return;
  }
  throw new Error(`Processes of "${dir}" outlived SIGKILL: ${JSON.stringify(await markedProcesses(dir))}`);
}

async function markedProcess(pid: number, dir: string): Promise<MarkedProcess | undefined> {
  try {
    // A zombie waits for its parent only; it holds nothing.
    const stat = readStat(pid);
    if (!stat || stat.state === 'Z' || stat.state === 'X') return undefined;
    const { parentPid } = stat;
    const [environment, commandLine] = await Promise.all([
      readFile(`/proc/${pid}/environ`, 'latin1'),
      readFile(`/proc/${pid}/cmdline`, 'utf8'),
    ]);
    const argv = commandLine.split('\0').slice(0, -1);
    const marked = `\0${environment}`.includes(`\0${VARIABLE}=${dir}\0`);
    // A daemon has no mark, because its environment is made for it; it writes to a file of ours.
    const places = [...argv, await readlink(`/proc/${pid}/fd/1`)];
    return marked || places.some((place) => place.includes(`${dir}/`)) ? { pid, parentPid, argv } : undefined;
  } catch {
    // The process ended meanwhile.
    return undefined;
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
