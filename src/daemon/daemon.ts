import { rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Logger } from 'pino';
import { describeExit, DaemonError, type ExitStatus } from '../errors.ts';
import { activeSpanContext, withSpan, withSpanSync } from '../tracing/span.ts';
import type { Launcher } from './pool/launcher.ts';
import { openOutput } from './output.ts';
import type { ProcessIdentity } from '../proc/stat.ts';
import { requireProgram } from './program.ts';
import { createReadiness } from './readiness.ts';
import { openStarter, type Starter } from './pool/starter.ts';
import { terminate } from './terminate.ts';

/** What {@link startDaemon} starts. */
export interface DaemonOptions {
  /** `virtiofsd`, `nydusd`, …: the source of its log lines and the first word of its spans. */
  readonly name: string;
  /** Absolute path of the executable. */
  readonly command: string;
  /** Its arguments; the listening socket is its standard input. */
  readonly args: readonly string[];
  /** The vhost-user socket to open for it; removed when the daemon has ended. */
  readonly socketPath: string;
  /** The file that takes its output. */
  readonly outputPath: string;
  /** Matches the line that says it waits for its VMM; absent where its output will not say. */
  readonly waitingLine?: RegExp | undefined;
  /** Matches the line that says a VMM has connected. */
  readonly connectedLine?: RegExp | undefined;
  /** How long it may take until it waits for its VMM, in milliseconds. */
  readonly startTimeoutMs: number;
  /** How long it may take to end after SIGTERM before SIGKILL follows, in milliseconds. */
  readonly stopTimeoutMs: number;
  readonly log: Logger;
  /** Has a process ready for it. @default one is started now */
  readonly launcher?: Launcher | undefined;
}

/** How and when a daemon ended. */
export interface DaemonExit extends ExitStatus {
  /** `stopped`: this process asked for it. `disconnected`: status 0, its VMM left. `failed`: anything else. */
  readonly reason: 'stopped' | 'disconnected' | 'failed';
  readonly lastLines: readonly string[];
  /** How long it ran, in milliseconds. */
  readonly uptimeMs: number;
}

/** `starting` until it waits for its VMM, `connected` from the VMM's coming to its going. */
export type DaemonState = 'starting' | 'waiting' | 'connected' | 'stopping' | 'exited';

/** One running daemon. Disposal stops it and waits until it is gone. */
export interface Daemon extends AsyncDisposable {
  readonly identity: ProcessIdentity;
  readonly socketPath: string;
  readonly state: DaemonState;
  readonly lastLines: readonly string[];
  /** Resolves when the daemon waits for its VMM; rejects with a {@link DaemonError} where it never will. */
  readonly ready: Promise<void>;
  /** Resolves exactly once, when the process is gone and its socket removed. */
  readonly exited: Promise<DaemonExit>;
  /** SIGTERM, grace, SIGKILL, and waits until it is gone. Idempotent. */
  stop(): Promise<DaemonExit>;
}

/**
 * Opens the daemon's socket and starts the daemon on it; clients can connect as soon as this returns.
 *
 * @throws DaemonError when the process cannot be started, StatusError when the socket cannot be opened
 */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { name, log, socketPath } = options;
  requireProgram(options.command);
  await using undo = new AsyncDisposableStack();
  const output = undo.use(openOutput(options.outputPath, (line) => onLine(line)));
  const startedAt = performance.now();
  const starter = undo.use(options.launcher?.take() ?? openStarter(dirname(socketPath)));
  const { child, identity } = starter;
  const { pid } = identity;
  const inode = launch(starter, options);
  const startedBy = activeSpanContext();
  let state: DaemonState = 'starting';

  const readiness = createReadiness(options, () => {
    if (state === 'starting') state = 'waiting';
  });
  const onLine = (line: string): void => {
    log.info({ source: name, pid }, line);
    if (options.waitingLine?.test(line)) readiness.reached();
    if (options.connectedLine?.test(line)) {
      readiness.reached();
      if (state === 'waiting') state = 'connected';
    }
  };

  const exited = new Promise<DaemonExit>((resolve) => {
    child.once('exit', (exitCode, signal) => {
      // What a wrapper or a daemon left in its group would keep the share open.
      killGroup(pid);
      output.drain({ final: true });
      const status = { exitCode: exitCode ?? undefined, signal: signal ?? undefined };
      const exit = {
        ...status,
        reason: exitReason(state, exitCode),
        lastLines: [...output.lastLines],
        uptimeMs: performance.now() - startedAt,
      };
      state = 'exited';
      output[Symbol.dispose]();
      removeSocket(socketPath, inode);
      readiness.failed(exitError(name, exit));
      resolve(exit);
    });
  });
  undo.move();

  const stop = async (): Promise<DaemonExit> => {
    if (state !== 'exited' && state !== 'stopping') {
      state = 'stopping';
      const attributes = { 'process.pid': pid };
      await withSpan(
        `${name}.stop`,
        attributes,
        () =>
          withSpan(`${name}.kill`, attributes, () =>
            terminate(identity, { timeoutMs: options.stopTimeoutMs, exited, log }),
          ),
        { startedBy },
      );
    }
    return exited;
  };

  return {
    identity,
    socketPath,
    ready: readiness.promise,
    exited,
    get state() {
      return state;
    },
    get lastLines() {
      return output.lastLines;
    },
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
    },
  };
}

/** A starter becomes the daemon; where that fails half-way, its process is gone and its socket too. */
function launch(starter: Starter, { name, command, args, socketPath, outputPath }: DaemonOptions): number {
  const inode = withSpanSync(`${name}.socket.listen`, { [`${name}.socket_path`]: socketPath }, () =>
    starter.publish(socketPath),
  );
  const attributes = { 'process.executable.path': command, 'process.pid': starter.identity.pid };
  withSpanSync(`${name}.spawn`, attributes, () => starter.become({ command, args, outputPath }));
  return inode;
}

/** Called while the leader runs or in the very turn in which its exit is seen: nobody else has its number by then. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {} // nobody is left
}

/** Removes the socket unless another daemon's has taken its place. */
function removeSocket(path: string, inode: number): void {
  if (statSync(path, { throwIfNoEntry: false })?.ino === inode) rmSync(path, { force: true });
}

function exitReason(state: DaemonState, exitCode: number | null): DaemonExit['reason'] {
  if (state === 'stopping') return 'stopped';
  return exitCode === 0 ? 'disconnected' : 'failed';
}

/** The error for a daemon that ended: its status and the last thing it said. */
function exitError(name: string, exit: DaemonExit): DaemonError {
  const words = exit.lastLines.at(-1);
  return new DaemonError(`${name} ${describeExit(exit)}${words ? `: ${words}` : ''}`, {
    exit: { exitCode: exit.exitCode, signal: exit.signal },
    lastLines: exit.lastLines,
  });
}
