import { parseArgs } from 'node:util';
import { Code, StatusError } from 'ttrpc-ts';
import { messageOf } from '../errors.ts';
import { printableLines } from '../text/printable.ts';
import { UsageError, type Command, type Options, type Values } from './commands/command.ts';
import { describeCommand, HELP_OPTION } from './help.ts';

/** Runs a command with the arguments that follow its name; resolves to the exit code, whatever happens. */
export async function runCommand(command: Command, args: readonly string[]): Promise<number> {
  try {
    const { help, ...values } = parse(args, { ...command.options, help: HELP_OPTION });
    if (!help) return await command.run(values);
    process.stdout.write(describeCommand(command));
    return 0;
  } catch (error) {
    if (error instanceof UsageError) return rejectUsage(error.message, `${command.name} --help`);
    return rejectFailure(error);
  }
}

/** Says why a command failed; returns the exit code. */
export function rejectFailure(error: unknown): number {
  say(messageOf(error));
  return StatusError.is(error) && error.code === Code.InvalidArgument ? 2 : 1;
}

/** Says what is wrong with a command line and which help tells more; returns the exit code. */
export function rejectUsage(problem: string, help: string): number {
  say(`${problem}\nTry "shim-virtiofs ${help}".`);
  return 2;
}

const say = (problem: string): boolean => process.stderr.write(`shim-virtiofs: ${printableLines(problem)}\n`);

function parse<Known extends Options>(args: readonly string[], options: Known): Values<Known> {
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (cause) {
    throw new UsageError(messageOf(cause), { cause });
  }
}
