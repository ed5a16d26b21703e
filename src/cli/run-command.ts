import { parseArgs } from 'node:util';
import { Code, StatusError } from 'ttrpc-ts';
import { messageOf } from '../errors.ts';
import { UsageError, type Command, type Options, type Values } from './commands/command.ts';
import { describeCommand, HELP_OPTION } from './help.ts';
import { rejectUsage, sayProblem } from './reject-usage.ts';

/** Runs the command of that name with the arguments that follow it; resolves to the exit code, whatever happens. */
export async function runCommand(name: string, command: Command, args: readonly string[]): Promise<number> {
  try {
    const { help, ...values } = parse(args, { ...command.options, help: HELP_OPTION });
    if (!help) return await command.run(values);
    process.stdout.write(describeCommand(name, command));
    return 0;
  } catch (error) {
    if (error instanceof UsageError) return rejectUsage(error.message, `${name} --help`);
    return rejectFailure(error);
  }
}

/** Says why a command failed; returns the exit code. */
export function rejectFailure(error: unknown): number {
  sayProblem(messageOf(error));
  return StatusError.is(error) && error.code === Code.InvalidArgument ? 2 : 1;
}

function parse<Known extends Options>(args: readonly string[], options: Known): Values<Known> {
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (cause) {
    throw new UsageError(messageOf(cause), { cause });
  }
}
