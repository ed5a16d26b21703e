import { readFileSync } from 'node:fs';
import { execa, ExecaError } from 'execa';
import type { SetupContext } from './part.ts';
import { SetupError } from './setup-error.ts';

/** A command of another program that set-up runs. */
export interface ToolOptions extends SetupContext {
  /** Working directory. @default the current one */
  readonly cwd?: string;
  /** Added to the environment. @default nothing */
  readonly env?: Readonly<Record<string, string>>;
}

const networkFailure =
  /could not resolve|temporary failure (in name resolution|resolving)|no such host|network is unreachable|failed to fetch|connection (refused|timed out)|could not connect|i\/o timeout/i;

/** Runs a tool to its end, its output going to the log, and resolves to its standard output. An abort ends its children too. */
export async function runTool(
  command: string,
  args: readonly string[],
  { signal, log, cwd, env }: ToolOptions,
): Promise<string> {
  signal.throwIfAborted();
  const keep = { file: log, append: true };
  try {
    const { stdout } = await execa(command, args, {
      stdin: 'ignore',
      stdout: ['pipe', keep],
      stderr: keep,
      cancelSignal: signal,
      killDescendants: true,
      ...(cwd === undefined ? {} : { cwd }),
      ...(env === undefined ? {} : { env }),
    });
    return stdout;
  } catch (error) {
    signal.throwIfAborted();
    throw explain(error, { command: [command, ...args].join(' '), log });
  }
}

function explain(error: unknown, { command, log }: { command: string; log: string }): SetupError {
  if (!(error instanceof ExecaError)) return new SetupError(`Cannot run "${command}"`, { cause: error });
  if (error.code === 'ENOENT') return new SetupError(`Cannot run "${command}": it is not installed`);
  const output = readFileSync(log, 'utf8');
  const lastLines = output.trimEnd().split('\n').slice(-12).join('\n');
  const how = error.signal === undefined ? `exit code ${error.exitCode}` : error.signal;
  const hint = networkFailure.test(lastLines)
    ? '\nIt looks like a missing network: connect this machine, then run this again'
    : '';
  return new SetupError(
    `"${command}" failed with ${how}; whole output in ${log}. Its last lines:\n${lastLines}${hint}`,
  );
}
