import { Code, StatusError } from 'ttrpc-ts';
import { messageOf } from '../errors.ts';
import { CommandError, UsageError, type Command } from './commands/command.ts';
import { ExitCode } from './exit-code.ts';
import { describeCommand } from './help.ts';
import { printAll, ReaderGone } from './output.ts';
import { parseCommandLine } from './parse-command-line.ts';
import { rejectUsage, sayProblem } from './reject-usage.ts';

/** Runs the command of that name with the arguments that follow it; resolves to the exit code, whatever happens. */
export async function runCommand(name: string, command: Command, args: readonly string[]): Promise<number> {
  try {
    const values = parseCommandLine(args, command);
    return values ? await command.run(values) : await printAll(describeCommand(name, command));
  } catch (error) {
    if (error instanceof ReaderGone) return ExitCode.Done;
    if (error instanceof UsageError) return rejectUsage(error.message, `${name} --help`);
    return rejectFailure(error);
  }
}

/** Says why a command failed; returns the exit code. */
export function rejectFailure(error: unknown): number {
  sayProblem(messageOf(error));
  if (error instanceof CommandError) return error.exitCode;
  return StatusError.is(error) && error.code === Code.InvalidArgument ? ExitCode.Usage : ExitCode.Failed;
}
