import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

import { execa } from 'execa';

/** How a test ends a server. */
export type StopSignal = 'SIGTERM' | 'SIGINT' | 'SIGKILL';

/** What to execute, where its log goes, and how to tell that it serves. */
export interface ServerCommand {
  readonly binary: string;
  readonly args: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Gets standard error; appended to. */
  readonly logFile: string;
  /** Asked every 20 ms, with what this run has logged so far. */
  readonly serves: (log: string) => boolean | Promise<boolean>;
}

/** One run of a server. */
export interface ServerProcess {
  readonly pid: number;
  /** Sends the signal and waits until the process is gone; a process already gone is success. */
  stop(signal: StopSignal): Promise<void>;
}

/** Executes a server and returns when it serves; otherwise stops it and throws with its last lines. */
export async function startServer(command: ServerCommand): Promise<ServerProcess> {
  // Opened already, so that the server itself gets the file and not a pipe to this process.
  const log = createWriteStream(command.logFile, { flags: 'a' });
  await once(log, 'open');
  const logStart = (await stat(command.logFile)).size;
  const child = execa(command.binary, command.args, {
    env: command.env,
    extendEnv: false,
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: log,
    reject: false,
  });
  log.close();
  const ended = child.then(() => true);
  const running: ServerProcess = {
    pid: child.pid ?? 0,
    stop: async (signal) => {
      child.kill(signal);
      await ended;
    },
  };
  if (await served(command, logStart, ended)) return running;
  await running.stop('SIGKILL');
  const lastLines = (await readFile(command.logFile, 'utf8')).trimEnd().split('\n').slice(-10);
  throw new Error(`Cannot start ${command.binary}:\n${lastLines.join('\n')}`);
}

/** False when the process has ended or two minutes have passed. */
async function served(
  { logFile, serves }: ServerCommand,
  logStart: number,
  ended: Promise<boolean>,
): Promise<boolean> {
  const deadline = Date.now() + 120_000;
  while (Date.now() < deadline) {
    if (await serves((await readFile(logFile)).subarray(logStart).toString())) return true;
    if (await Promise.race([ended, sleep(20, false)])) return false;
  }
  return false;
}
