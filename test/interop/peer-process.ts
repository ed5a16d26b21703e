import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** A running program in another language that answers lines with lines. Disposing of it ends its input and waits for its exit. */
export interface PeerProcess extends AsyncDisposable {
  readonly pid: number;
  /** Resolves to the next line that it prints. */
  readLine(): Promise<string>;
  /** Sends a line and resolves to the line that answers it. */
  ask(line: string): Promise<string>;
}

export function startPeer([program = '', ...args]: readonly string[]): PeerProcess {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const readLine = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`The program ended: ${args.join(' ')}`);
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

/** Starts a server and waits until it listens: `command` is what precedes `server <socket>`. */
export async function startPeerServer(command: readonly string[], socket: string): Promise<PeerProcess> {
  const server = startPeer([...command, 'server', socket]);
  await server.readLine();
  return server;
}
