import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { eventually } from './eventually.ts';

/** examples/library/survive.ts, which tells of its share, and waits. Disposal kills it. */
export interface Survivor extends AsyncDisposable {
  /** Whether it has adopted or opened its share, the daemon's process, the socket. */
  readonly said: readonly string[];
  kill(): Promise<void>;
  /** Lets it end, and resolves to its exit code. */
  close(): Promise<number | undefined>;
}

/** Starts the program with these arguments, and waits until it has its share. */
export async function startSurvivor(
  args: readonly string[],
  { node = process.execPath, PATH }: { node?: string; PATH: string },
): Promise<Survivor> {
  const program = execa(node, args, { env: { PATH }, reject: false });
  const kill = async (): Promise<void> => {
    program.kill('SIGKILL');
    await program;
  };
  await using undo = new AsyncDisposableStack();
  undo.defer(kill);
  const output: string[] = [];
  createInterface({ input: program.stdout }).on('line', (line) => void output.push(line));
  await eventually('it has its share', async () => {
    if (program.nodeChildProcess?.exitCode !== null) throw new Error((await program).stderr);
    return output.length > 0;
  });
  undo.move();
  return {
    said: /^(\w+), served by process (\d+) at (.*)$/.exec(output[0] ?? '')?.slice(1) ?? output,
    kill,
    async close() {
      program.stdin.write('\n');
      return (await program).exitCode;
    },
    [Symbol.asyncDispose]: kill,
  };
}
