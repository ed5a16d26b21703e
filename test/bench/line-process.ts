import { createInterface } from 'node:readline';
import { execa } from 'execa';

/** A program that answers each line of its input with one line. Disposal ends its input and waits until it has ended. */
export interface LineProcess extends AsyncDisposable {
  /** Resolves to the answer; rejects where it begins with "error" or the program has ended. */
  ask(line: string): Promise<string>;
}

/** Starts such a program, in a session of its own: a Ctrl-C must not end it in the midst of an answer. */
export function startLineProcess(command: string, args: readonly string[]): LineProcess {
  const subprocess = execa(command, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
    cleanup: false,
    buffer: false,
    reject: false,
  });
  const answers = createInterface({ input: subprocess.stdout })[Symbol.asyncIterator]();
  return {
    async ask(line) {
      subprocess.stdin.write(`${line}\n`);
      const { value, done } = await answers.next();
      if (done) throw new Error(`"${command}" ended before it answered "${line}"`);
      if (value.startsWith('error')) throw new Error(`"${command}" cannot do "${line}": ${value}`);
      return value;
    },
    async [Symbol.asyncDispose]() {
      subprocess.stdin.end();
      await subprocess;
    },
  };
}
