import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, renameSync, rmSync, statSync } from 'node:fs';
import { Code } from 'ttrpc-ts';
import { DaemonError } from '../../errors.ts';
import { daemonEnvironment } from '../environment.ts';
import { openListener, requireShortPath } from '../socket.ts';
import type { DaemonSpec } from '../spec.ts';
import { identify, type ProcessIdentity } from '../../proc/stat.ts';

/**
 * A shell that holds a listening socket and waits to become a daemon, keeping its pid. Forking this process takes
 * milliseconds (it is large), so it is done before anybody waits for it. A starter whose host has gone ends by itself.
 */
export interface Starter extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly identity: ProcessIdentity;
  /** The name by which the kernel knows the socket, and those who connect to it. */
  readonly boundPath: string;
  /** False when somebody removed its socket. */
  hasSocket(): boolean;
  /** Gives the socket its name; clients can connect from now on. Returns the socket's inode. */
  publish(socketPath: string): number;
  /** Becomes the daemon: its standard input is the socket or empty, its output goes to the end of the file. */
  become(program: {
    command: string;
    args: readonly string[];
    outputPath: string;
    socket: DaemonSpec['socket'];
    /** @default this process's */
    oomScoreAdj?: number | undefined;
  }): void;
}

/**
 * Starts a starter whose socket stands in `directory`.
 *
 * @throws StatusError InvalidArgument when the directory is missing or its path too long
 * @throws DaemonError when there can be no more processes, or nobody can tell which one it is
 */
export function openStarter(directory: string): Starter {
  // One synchronous stretch until the listener is closed.
  using listener = openListener(directory);
  const { path, boundPath } = listener;
  using undo = new DisposableStack();
  undo.defer(() => rmSync(path, { force: true }));

  const child = spawnShell(listener.fd);
  if (child?.pid === undefined || !child.stdin) {
    throw new DaemonError('Cannot start a process: the machine has no room for one, or no /bin/sh', {
      code: Code.ResourceExhausted,
    });
  }
  undo.defer(() => child.kill('SIGKILL'));
  const identity = identify(child.pid);
  if (!identity) {
    throw new DaemonError('Cannot start a process: it ended at once, or /proc does not show it', {
      code: Code.Unavailable,
    });
  }
  const { stdin } = child;
  // A starter that was killed says so by its exit.
  stdin.on('error', () => {});
  stdin.write(`trap ${quote(`rm -f ${quote(path)}`)} EXIT\n`);
  undo.move();
  let published: string | undefined;
  return {
    child,
    identity,
    boundPath,
    hasSocket: () => existsSync(path),
    publish(socketPath) {
      requireShortPath(socketPath);
      const { ino } = statSync(path);
      renameSync(path, socketPath);
      published = socketPath;
      return ino;
    },
    become({ command, args, outputPath, socket, oomScoreAdj }) {
      if (socket === 'own') rmSync(path, { force: true });
      const input = socket === 'own' ? '</dev/null' : '0<&1';
      const words = [command, ...args].map(quote).join(' ');
      // Where that is not allowed, the shell says so to nobody and goes on.
      const score = oomScoreAdj === undefined ? '' : `echo ${oomScoreAdj} >/proc/self/oom_score_adj\n`;
      // A shell that comes to it late may find that the next host has ended its share, and opened it again.
      const check = published === undefined ? '' : `[ -S ${quote(published)} ] || exit\n`;
      stdin.end(`${score}${check}exec ${input} 1>>${quote(outputPath)} 2>&1 ${words}\n`);
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      // Last: where the state has become read-only, it throws. Where it is a file by now, nothing is there.
      if (existsSync(path)) rmSync(path, { force: true });
    },
  };
}

/**
 * Not by execa, whose own wait for a process keeps 18 KiB and makes an error of its end: a daemon lives for long, and its end
 * is followed by the daemon's own code.
 *
 * @returns undefined where it cannot be started
 */
function spawnShell(socket: number): ChildProcess | undefined {
  try {
    const child = spawn('/bin/sh', ['-s'], {
      // The shell reads its commands at 0. At descriptors 0 to 2 libuv makes the socket blocking, which both virtiofsds
      // need: at 3 one dies and one spins.
      stdio: ['pipe', socket, 'ignore'],
      detached: true,
      cwd: '/',
      env: daemonEnvironment(),
    });
    // Of most failures it tells by an event only, of a signal that cannot be sent as well.
    child.on('error', () => {});
    return child;
  } catch {
    return undefined;
  }
}

/** One word of a shell's command, whatever is in it. */
const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;
