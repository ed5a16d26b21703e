import type { ChildProcess } from 'node:child_process';
import { Code } from 'ttrpc-ts';
import { abortable } from '../async/abortable.ts';
import type { ExitStatus } from '../errors.ts';
import { statForeign } from '../foreign/stat.ts';
import type { TouchOptions } from '../foreign/touch-in-child.ts';
import { loadExeca } from '../proc/execa.ts';
import { systemStatus } from '../proc/system-error.ts';
import { daemonEnvironment } from './environment.ts';

/** What a program answered when it was asked, and how it ended. */
export interface ProgramAnswer {
  /** Standard output and error. */
  readonly text: string;
  readonly exit: ExitStatus;
  /** Why it has no exit status. */
  readonly problem?: string | undefined;
}

/** Asks the executable at a path. */
export type AskProgram<T> = (path: string, options: { readonly timeoutMs: number }) => Promise<T>;

const TIMEOUT_MS = 5000;
/** How long what an asked program has left behind may hold its pipe open, in milliseconds. */
const PIPE_GRACE_MS = 100;
/** More than this of an answer is not read, in bytes. */
const MAX_ANSWER_BYTES = 64 * 1024;

/** Asks an executable once for as long as its file does not change; where that failed, whoever asks next tries again. */
export function askOnce<T>(ask: AskProgram<T>): (path: string, options?: TouchOptions) => Promise<T> {
  const answers = new Map<string, Promise<T>>();
  return async (path, { signal, timeoutMs = TIMEOUT_MS } = {}) => {
    const { mtimeMs, size, ino } = await statForeign(path, { signal, timeoutMs });
    const key = `${path}:${ino}:${size}:${mtimeMs}`;
    let answer = answers.get(key);
    if (!answer) {
      answer = ask(path, { timeoutMs });
      answers.set(key, answer);
      answer.catch(() => answers.delete(key));
    }
    return abortable(answer, signal);
  };
}

/**
 * Runs an executable that is to say something of itself, such as its version; what it left behind is ended.
 *
 * @throws StatusError ResourceExhausted where the machine has no room for a process
 */
export async function askProgram(
  path: string,
  args: readonly string[],
  { timeoutMs }: { readonly timeoutMs: number },
): Promise<ProgramAnswer> {
  const execa = await loadExeca();
  const subprocess = execa(path, args, {
    reject: false,
    all: true,
    stdin: 'ignore',
    maxBuffer: MAX_ANSWER_BYTES,
    detached: true,
    cleanup: false,
    extendEnv: false,
    env: daemonEnvironment(),
  });
  const child = subprocess.nodeChildProcess;
  child?.once('exit', () => {
    endGroup(child);
    setTimeout(closePipes, PIPE_GRACE_MS, child).unref();
  });
  const result = await abortable(subprocess, AbortSignal.timeout(timeoutMs)).catch(() => undefined);
  if (!result) {
    if (child) abandon(child);
    return { text: '', exit: {}, problem: `not within ${timeoutMs} ms` };
  }
  const { all, exitCode, signal, failed, shortMessage, cause } = result;
  const noRoom = systemStatus(cause, { doing: `Cannot run "${[path, ...args].join(' ')}"` });
  if (noRoom?.code === Code.ResourceExhausted) throw noRoom;
  const problem = failed && exitCode === undefined ? shortMessage : undefined;
  return { text: all ?? '', exit: { exitCode, signal }, problem };
}

/** With the leader's end go those whom it left in its process group; at that moment nobody else has its number. */
function endGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {} // nobody is left
}

/** Whoever still holds the other ends has nothing to say to us. */
function closePipes({ stdout, stderr }: ChildProcess): void {
  stdout?.destroy();
  stderr?.destroy();
}

/** It may be one that nobody can end. */
function abandon(child: ChildProcess): void {
  endGroup(child);
  closePipes(child);
  child.unref();
}
