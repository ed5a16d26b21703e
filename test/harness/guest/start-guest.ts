import { execa } from 'execa';
import { obtain } from '../../setup/obtain.ts';
import { writeInitrd } from './boot-files.ts';
import { readConsole, type Console } from './console.ts';
import { GuestError } from './guest-error.ts';

/** What a guest boots with. */
export interface GuestOptions {
  /** Shell script, run by busybox as root after the modules for virtio-fs are loaded; its standard input is the console. */
  readonly script: string;
  /** More arguments for QEMU: all for the shares, the shared memory of exactly `memoryMiB` included. @default none */
  readonly qemuArguments?: readonly string[];
  /** Size of the guest's memory. @default 256 */
  readonly memoryMiB?: number;
  /** After this time QEMU is killed and the guest's `exit` rejects. @default 300000 */
  readonly timeoutMs?: number;
  /** Kills QEMU. */
  readonly signal?: AbortSignal;
}

/** How the script of a guest ended. */
export interface GuestExit {
  /** Exit status of the script. */
  readonly code: number;
  /** Everything it printed. */
  readonly lines: readonly string[];
}

/** A running virtual machine. Its disposal is `stop()`. */
export interface Guest extends AsyncDisposable, Pick<Console, 'lines' | 'waitForLine'> {
  /** Process id of QEMU. */
  readonly pid: number;
  /** Resolves when the script has ended and the guest is off; rejects with a GuestError if it ends in any other way. */
  readonly exit: Promise<GuestExit>;
  /** Types text on the guest's console; the script reads it as its standard input. */
  write(text: string): void;
  /** Kills QEMU and waits until it is gone. */
  stop(): Promise<void>;
}

/** Boots Debian's kernel in QEMU, emulated so that no /dev/kvm is needed, and runs a script in it; takes about 2 seconds. */
export async function startGuest({
  script,
  qemuArguments = [],
  memoryMiB = 256,
  timeoutMs = 300_000,
  signal,
}: GuestOptions): Promise<Guest> {
  const [qemu, { image }, initrd] = await Promise.all([obtain('qemu'), obtain('kernel'), obtain('initrd')]);
  await using stack = new AsyncDisposableStack();
  const boot = stack.use(await writeInitrd(initrd, script));
  signal?.throwIfAborted();
  const controller = new AbortController();
  const timeout = AbortSignal.timeout(timeoutMs);
  const machine = machineArguments({ memoryMiB, image, initrd: boot.path });
  // setpriv, because execa cannot end QEMU when this process is killed by SIGKILL.
  const qemuProcess = execa('setpriv', ['--pdeathsig', 'KILL', qemu, ...machine, ...qemuArguments], {
    stdin: 'pipe',
    all: true,
    buffer: false,
    reject: false,
    killSignal: 'SIGKILL',
    cancelSignal: AbortSignal.any([controller.signal, timeout, ...(signal === undefined ? [] : [signal])]),
  });
  const console = readConsole(qemuProcess.all);
  const files = stack.move();
  const gone = qemuProcess.then(async (result) => {
    await files.disposeAsync();
    return result;
  });
  const exit = gone.then(async (result): Promise<GuestExit> => {
    await console.ended;
    if (timeout.aborted) throw new GuestError(`The guest did not end within ${timeoutMs} ms`, console.lines);
    if (result.isCanceled)
      throw new GuestError('The guest was stopped', console.lines, { cause: signal?.reason });
    const { exitCode: code } = console;
    if (code === undefined) throw new GuestError(`QEMU ended: ${describe(result)}`, console.lines);
    return { code, lines: console.lines };
  });
  exit.catch(() => {}); // also where nobody asks for it
  const stop = async (): Promise<void> => {
    controller.abort();
    await gone;
  };
  return {
    pid: qemuProcess.pid ?? -1,
    lines: console.lines,
    waitForLine: (pattern) => console.waitForLine(pattern),
    exit,
    write: (text) => void qemuProcess.stdin.write(text),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** QEMU's arguments for a machine that runs a script. */
export function machineArguments({
  memoryMiB,
  image,
  initrd,
}: {
  memoryMiB: number;
  image: string;
  initrd: string;
}): string[] {
  // The kernel takes the timer of a guest that gets too little of the CPU for broken, and panics.
  const commandLine = 'console=ttyS0 quiet loglevel=1 panic=-1 mitigations=off no_timer_check';
  const bare = ['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-serial', 'stdio'];
  const machine = ['-machine', 'q35,accel=tcg', '-m', `${memoryMiB}M`];
  return [...bare, ...machine, '-kernel', image, '-initrd', initrd, '-append', commandLine];
}

function describe({
  exitCode,
  signal,
}: {
  exitCode?: number | undefined;
  signal?: string | undefined;
}): string {
  return signal === undefined ? `exit code ${exitCode} before the script ended` : signal;
}
