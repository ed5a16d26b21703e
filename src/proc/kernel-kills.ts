import { closeSync, constants, openSync, readlinkSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** A record of the kernel's log has at most 8 kB (dev-kmsg). */
const record = Buffer.allocUnsafe(8192);
/** More are not read, in case they come faster. */
const MAX_RECORDS = 50_000;
/** How long what was read counts as new, in milliseconds: reading takes about ten, and many may end at once. */
const FRESH_MS = 50;
/** How often the log is looked at for what an end may be due to. */
const MAX_TRIES = 8;
/** How long ago a filter's kill may be to have ended what has just ended, in milliseconds. */
const RECENT_MS = 5000;
/** The kernel cuts the names of processes. */
const NAME_LENGTH = 15;

/** Memory: `… Killed process 12 (virtiofsd) …`. Newer kernels begin it differently. */
const MEMORY_KILL = /Killed process (\d+) \(([^)]*)\)/;
/** A seccomp filter's kill, in a kernel without a running auditd (audit type 1326, SIGSYS). */
const SECCOMP_KILL =
  /type=1326 audit\((\d+\.\d+):\d+\).* comm="([^"]*)" exe="([^"]*)" sig=31 .*\bsyscall=(\d+)/;

/** What the kernel's log tells of killed processes; nothing where nobody may read it. */
interface KernelKills {
  readonly forMemory: readonly { readonly pid: number; readonly name: string }[];
  readonly bySeccomp: readonly {
    readonly at: number;
    readonly names: readonly string[];
    readonly systemCall: number;
  }[];
}

let known: KernelKills = { forMemory: [], bySeccomp: [] };
let knownAt = -Infinity;
let canRead = true;

/**
 * False where the kernel's log names those that it killed for want of memory and this process is not among them; call it
 * where some have been killed. Where the log cannot be read, nothing speaks against it.
 */
export function wasKilledForMemory({ pid, command }: { pid: number; command: string }): boolean {
  const { forMemory } = kernelKills();
  const name = nameOf(command);
  const isVictim = forMemory.some((victim) => victim.pid === pid || victim.name === name);
  return isVictim || forMemory.length === 0 || !knowsKernelPids();
}

/** What a seccomp filter forbade. */
export interface FilterKill {
  readonly systemCall: number;
}

/** Finds a seccomp filter's kill of a process of that program, just now; the kernel tells of it a little later. */
export async function awaitFilterKill(command: string): Promise<FilterKill | undefined> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const found = findFilterKill(command);
    if (found || !canRead) return found;
    // oxlint-disable-next-line no-await-in-loop -- a poll
    await delay(FRESH_MS);
  }
  return findFilterKill(command);
}

function findFilterKill(command: string): FilterKill | undefined {
  const name = nameOf(command);
  const since = Date.now() - RECENT_MS;
  return kernelKills().bySeccomp.findLast(({ at, names }) => at >= since && names.includes(name));
}

function kernelKills(): KernelKills {
  if (performance.now() - knownAt < FRESH_MS) return known;
  known = parseKills(readKernelLog());
  knownAt = performance.now();
  return known;
}

function parseKills(records: readonly string[]): KernelKills {
  return {
    forMemory: records.flatMap((text) => {
      const [, pid, name = ''] = MEMORY_KILL.exec(text) ?? [];
      return pid === undefined ? [] : { pid: Number(pid), name };
    }),
    bySeccomp: records.flatMap((text) => {
      const [, seconds, name = '', executable = '', call] = SECCOMP_KILL.exec(text) ?? [];
      const names = [name, nameOf(executable)];
      return call === undefined ? [] : { at: Number(seconds) * 1000, names, systemCall: Number(call) };
    }),
  };
}

/** The records of kills that the kernel still has; each read gives one record. */
function readKernelLog(): string[] {
  const records: string[] = [];
  try {
    canRead = false;
    const fd = openSync('/dev/kmsg', constants.O_RDONLY | constants.O_NONBLOCK);
    canRead = true;
    try {
      for (let count = 0; count < MAX_RECORDS; count++) {
        const bytes = readRecord(fd);
        if (bytes === 0) break;
        const text = record.toString('latin1', 0, bytes);
        if (MEMORY_KILL.test(text) || SECCOMP_KILL.test(text)) records.push(text);
      }
    } finally {
      closeSync(fd);
    }
  } catch {} // EAGAIN: that was all of it
  return records;
}

/** One that is overwritten while it is waited for is skipped. */
function readRecord(fd: number): number {
  try {
    return readSync(fd, record);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') return readSync(fd, record);
    throw error;
  }
}

/** The kernel's log numbers processes as the first pid namespace does. */
const knowsKernelPids = (): boolean => readlinkSync('/proc/self/ns/pid') === 'pid:[4026531836]';

const nameOf = (command: string): string => basename(command).slice(0, NAME_LENGTH);
