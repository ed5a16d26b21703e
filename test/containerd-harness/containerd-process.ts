import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

import { execa } from 'execa';

/** How a test ends containerd. */
export type StopSignal = 'SIGTERM' | 'SIGINT' | 'SIGKILL';

/** What to execute, and where its log goes. */
export interface ContainerdCommand {
  readonly binary: string;
  readonly configFile: string;
  readonly logFile: string;
  readonly env: Readonly<Record<string, string>>;
}

/** One run of containerd. */
export interface ContainerdProcess {
  readonly pid: number;
  /** Sends the signal and waits until the process is gone; a process already gone is success. */
  stop(signal: StopSignal): Promise<void>;
}

/** Executes containerd and returns when it serves; otherwise stops it and throws with its last lines. */
export async function startContainerdProcess(command: ContainerdCommand): Promise<ContainerdProcess> {
  // Opened already, so that containerd itself gets the file and not a pipe to this process.
  const log = createWriteStream(command.logFile, { flags: 'a' });
  await once(log, 'open');
  const logStart = (await stat(command.logFile)).size;
  const child = execa(command.binary, ['--config', command.configFile], {
    env: command.env,
    extendEnv: false,
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: log,
    reject: false,
  });
  log.close();
  const ended = child.then(() => true);
  const running: ContainerdProcess = {
    pid: child.pid ?? 0,
    stop: async (signal) => {
      child.kill(signal);
      await ended;
    },
  };
  if (await served(command.logFile, logStart, ended)) return running;
  await running.stop('SIGKILL');
  const lastLines = (await readFile(command.logFile, 'utf8')).trimEnd().split('\n').slice(-10);
  throw new Error(`Cannot start ${command.binary}:\n${lastLines.join('\n')}`);
}

/** True when the log says so; false when the process has ended or 20 seconds have passed. */
async function served(logFile: string, logStart: number, ended: Promise<boolean>): Promise<boolean> {
  const deadline = Date.now() + 20_000;
  let sizeBefore = -1;
  while (Date.now() < deadline) {
    const { size } = await stat(logFile);
    if (size !== sizeBefore) {
      const text = (await readFile(logFile)).subarray(logStart).toString();
      if (text.includes('containerd successfully booted')) return true;
      sizeBefore = size;
    }
    if (await Promise.race([ended, sleep(20, false)])) return false;
  }
  return false;
}
