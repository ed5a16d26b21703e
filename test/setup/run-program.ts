import { execa } from 'execa';

/** How a program is run. */
export interface ProgramOptions {
  /** Its reason is the signal that the program gets, once; then we wait for it to end. */
  readonly signal: AbortSignal;
  /** Added to the environment. @default nothing */
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a program on our own standard streams and resolves to its exit code. */
export async function runProgram(
  command: string,
  args: readonly string[],
  { signal, env = {} }: ProgramOptions,
): Promise<number> {
  signal.throwIfAborted();
  const program = execa(command, args, { stdio: 'inherit', reject: false, env });
  const passOn = (): void => void program.kill(signal.reason);
  signal.addEventListener('abort', passOn, { once: true });
  const { exitCode } = await program;
  signal.removeEventListener('abort', passOn);
  return exitCode ?? 1;
}

/** Runs a program of this project with the Node that runs us. */
export function runNode(args: readonly string[], options: ProgramOptions): Promise<number> {
  return runProgram(process.execPath, args, options);
}
