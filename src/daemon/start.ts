import { statSync } from 'node:fs';
import type { Logger } from 'pino';
import type { Daemon } from './contract.ts';
import { superviseDaemon } from './daemon.ts';
import type { DaemonParts } from './daemon-parts.ts';
import type { Starter } from './pool/starter.ts';
import { childProcess } from './process.ts';
import { requireProgram } from './requirements.ts';
import { removeSocket } from './socket.ts';
import { spanOf, spanOfSync } from './span-of.ts';
import type { DaemonSpec } from './spec.ts';

/** Calls `launch` with a starter that is its own from then on, when it is its turn; holds the turn until it is ready. */
export type Turn = (
  launch: (starter: Starter) => Promise<Daemon>,
  options: { signal?: AbortSignal | undefined },
) => Promise<Daemon>;

/** Is told of a daemon whose process is known and does not run it yet; what it throws is the start's failure. */
export type BeforeSpawn = (daemon: Daemon) => void;

/**
 * Starts a daemon. Where the socket is handed over, clients can connect as soon as this returns.
 *
 * @throws what the spec's `program` throws; DaemonError when the process cannot be started, StatusError when the
 *   socket cannot be opened
 */
export function startDaemon(
  spec: DaemonSpec,
  options: {
    log: Logger;
    signal?: AbortSignal | undefined;
    turn: Turn;
    oomScoreAdj?: number | undefined;
    beforeSpawn?: BeforeSpawn | undefined;
  },
): Promise<Daemon> {
  const { log, signal, turn, oomScoreAdj, beforeSpawn } = options;
  const attributes = { [`${spec.name}.socket_path`]: spec.socketPath, ...spec.attributes };
  return spanOf(spec, 'start', attributes, async (span) => {
    const program = await spanOf(spec, 'validate', {}, async () => spec.program({ signal }));
    signal?.throwIfAborted();
    await requireProgram(program.command, { signal });
    const daemon = await turn(
      (starter) =>
        launch(starter, { spec, program, log, startedBy: span.spanContext(), oomScoreAdj, beforeSpawn }),
      {
        signal,
      },
    );
    const pid = { 'process.pid': daemon.identity.pid };
    span.setAttributes(pid);
    // It ends after its parent: clients need not wait for it, whoever starts the sandbox does.
    void spanOf(spec, 'wait_ready', pid, () => daemon.ready).catch(() => {});
    return daemon;
  });
}

type LaunchOptions = Pick<DaemonParts, 'program' | 'log' | 'startedBy'> & {
  spec: DaemonSpec;
  oomScoreAdj: number | undefined;
  beforeSpawn: BeforeSpawn | undefined;
};

/** A starter becomes the daemon; where that fails half-way, its process is gone and its socket too. */
async function launch(starter: Starter, options: LaunchOptions): Promise<Daemon> {
  const { spec, program, log } = options;
  await using undo = new AsyncDisposableStack();
  undo.use(starter);
  let inode: number | undefined;
  const daemon = superviseDaemon({
    ...options,
    process: childProcess(starter.child, starter.identity),
    boundPath: spec.socket === 'own' ? spec.socketPath : starter.boundPath,
    removeSocket: () => {
      // Where a name could not be given, what stands there is not the daemon's.
      if (spec.socket === 'own' || inode !== undefined) removeSocket(spec.socketPath, inode);
    },
  });
  if (spec.socket === 'handed-over') inode = publish(starter, spec);
  else void daemon.ready.then(() => (inode = inodeOf(spec.socketPath))).catch(() => {});
  options.beforeSpawn?.(daemon);
  spawn(starter, options);
  undo.move();
  // Now that nobody waits for it: writing a line takes as long as a step of the start.
  log.info({ path: program.command, args: program.args }, `Starting ${spec.name}`);
  return daemon;
}

function publish(starter: Starter, spec: DaemonSpec): number {
  const attributes = { [`${spec.name}.socket_path`]: spec.socketPath };
  return spanOfSync(spec, 'socket.listen', attributes, () => starter.publish(spec.socketPath));
}

function spawn(starter: Starter, { spec, program, oomScoreAdj }: LaunchOptions): void {
  const { command, args } = program;
  const attributes = { 'process.executable.path': command, 'process.pid': starter.identity.pid };
  const { outputPath, socket } = spec;
  spanOfSync(spec, 'spawn', attributes, () =>
    starter.become({ command, args, outputPath, socket, oomScoreAdj }),
  );
}

const inodeOf = (path: string): number | undefined => statSync(path, { throwIfNoEntry: false })?.ino;
