import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** A running Go program that answers lines with lines. Disposing of it ends its input and waits for its exit. */
export interface GoProcess extends AsyncDisposable {
  readonly pid: number;
  /** Resolves to the next line that it prints. */
  readLine(): Promise<string>;
  /** Sends a line and resolves to the line that answers it. */
  ask(line: string): Promise<string>;
}

export function startGo(
  program: string,
  args: readonly string[],
  env: Record<string, string> = {},
): GoProcess {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...env } });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const readLine = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`The Go program ended: ${args.join(' ')}`);
    return value;
  };
  return {
    pid: child.pid ?? 0,
    readLine,
    ask(line) {
      child.stdin.write(`${line}\n`);
      return readLine();
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await exited;
    },
  };
}

/** Starts the Go server and waits until it listens. */
export async function startGoServer(program: string, socket: string): Promise<GoProcess> {
  const server = startGo(program, ['server', socket]);
  await server.readLine();
  return server;
}
