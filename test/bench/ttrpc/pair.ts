import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Case, Measured } from './cases.ts';

/** A server and its client: how to start each, given the socket. */
export interface PairCommand {
  readonly name: string;
  readonly server: readonly string[];
  readonly client: readonly string[];
  /** Whether it can do a case. @default all */
  readonly can?: (each: Case) => boolean;
}

/** What a pair did in a case; processor time is that of both processes. */
export interface Sample extends Measured {
  readonly cpuPerCall: number;
}

/** Two running processes. Disposing of it ends their input and waits until they have exited. */
export interface Pair extends AsyncDisposable {
  measure(each: Case): Promise<Sample>;
}

/** Starts a server, then its client; both on one core where one is given. */
export async function startPair(command: PairCommand, core: number | undefined): Promise<Pair> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(startProcess(command.server, core));
  await server.readLine();
  const client = stack.use(startProcess(command.client, core));
  const owned = stack.move();
  return {
    async measure(each) {
      const before = await Promise.all([cpuMicros(server.pid), cpuMicros(client.pid)]);
      client.writeLine(JSON.stringify(each));
      const measured = JSON.parse(await client.readLine()) as Measured;
      const after = await Promise.all([cpuMicros(server.pid), cpuMicros(client.pid)]);
      const cpu = after[0] + after[1] - before[0] - before[1];
      return { ...measured, cpuPerCall: cpu / measured.count };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

interface Process extends AsyncDisposable {
  readonly pid: number;
  readLine(): Promise<string>;
  writeLine(line: string): void;
}

function startProcess(command: readonly string[], core: number | undefined): Process {
  const [program = '', ...args] = core === undefined ? command : ['taskset', '-c', String(core), ...command];
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    pid: child.pid ?? 0,
    async readLine() {
      const { value, done } = await lines.next();
      if (done) throw new Error(`Ended: ${command.join(' ')}`);
      return value;
    },
    writeLine: (line) => void child.stdin.write(`${line}\n`),
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await exited;
    },
  };
}

/** Returns the processor time of a process and its threads: proc(5), schedstat, nanoseconds on the processor. */
async function cpuMicros(pid: number): Promise<number> {
  let micros = 0;
  for (const thread of await readdir(`/proc/${pid}/task`)) {
    const schedstat = await readFile(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').catch(() => '0');
    micros += Number.parseInt(schedstat, 10) / 1000;
  }
  return micros;
}
