import { parseArgs } from 'node:util';
import { messageOf } from '../errors.ts';
import { UsageError, type Command, type Options, type Positionals, type Values } from './commands/command.ts';
import { HELP_OPTION } from './help.ts';

/**
 * Reads the arguments of a command; undefined where they ask for help.
 *
 * @throws UsageError
 */
export function parseCommandLine(
  args: readonly string[],
  { options, positionals }: Pick<Command, 'options' | 'positionals'>,
): Values<Options, Positionals> | undefined {
  const parsed = parse(args, { ...options, help: HELP_OPTION }, positionals !== undefined);
  const { help, ...values } = parsed.values;
  if (help) return undefined;
  // Of an unset variable in a script an option that is not given would follow, which means something else.
  const empty = Object.entries(values).find(([, value]) => value === '');
  if (empty) throw new UsageError(`Option '--${empty[0]}' is empty`);
  return { ...values, ...place(parsed.positionals, positionals) } as Values<Options, Positionals>;
}

function parse(
  args: readonly string[],
  options: Options,
  allowPositionals: boolean,
): { values: Record<string, string | boolean | undefined>; positionals: readonly string[] } {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals });
    return { values, positionals };
  } catch (cause) {
    throw new UsageError(messageOf(cause), { cause });
  }
}

function place(given: readonly string[], positionals: Positionals = {}): Record<string, string | undefined> {
  const entries = Object.entries(positionals);
  const surplus = given[entries.length];
  if (surplus !== undefined) throw new UsageError(`Unexpected argument '${surplus}'`);
  const values = entries.map(([name, { value, isOptional }], index) => {
    const text = given[index];
    if (text === '') throw new UsageError(`${value} is empty`);
    if (text === undefined && !isOptional) throw new UsageError(`${value} is missing`);
    return [name, text];
  });
  return Object.fromEntries(values) as Record<string, string | undefined>;
}
