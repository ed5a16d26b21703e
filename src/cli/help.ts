import type { Command, Option } from './commands/command.ts';

/** The option that every command has. */
export const HELP_OPTION = {
  type: 'boolean',
  short: 'h',
  purpose: 'Show this text',
} as const satisfies Option;

/** A line of the list of commands. */
export interface ListedCommand {
  readonly name: string;
  readonly purpose: string;
}

/** Returns the text of `shim-virtiofs --help`. */
export function listCommands(commands: readonly ListedCommand[]): string {
  const lines = commands.map(({ name, purpose }): [string, string] => [name, purpose]);
  return `Usage: shim-virtiofs <command> [options]

Commands:
${columns(lines)}

Options:
${columns([
  ['-h, --help', 'Show this text, or that of a command'],
  ['-v, --version', 'Show the version'],
])}
`;
}

/** Returns the text of `shim-virtiofs <command> --help`. */
export function describeCommand(
  name: string,
  { description, positionals = {}, options, exitStatus }: Command,
): string {
  const places = Object.values(positionals);
  const synopsis = [name, ...places.map(({ value, isOptional }) => (isOptional ? `[${value}]` : value))];
  const placed = places.map(({ value, purpose }): [string, string] => [value, purpose]);
  const optional = Object.entries({ ...options, help: HELP_OPTION }).map(
    ([long, option]: [string, Option]): [string, string] => [spell(long, option), option.purpose],
  );
  return `Usage: shim-virtiofs ${synopsis.join(' ')} [options]

${description}
${placed.length > 0 ? `\nArguments:\n${columns(placed)}\n` : ''}
Options:
${columns(optional)}

Exit status: ${exitStatus}.
`;
}

/** `-c, --config FILE`; an option without a short name stands below the long ones. */
const spell = (long: string, { short, value }: Option): string =>
  `${short === undefined ? '    ' : `-${short}, `}--${long}${value === undefined ? '' : ` ${value}`}`;

function columns(lines: readonly (readonly [left: string, right: string])[]): string {
  const width = Math.max(...lines.map(([left]) => left.length));
  return lines.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n');
}
