/** What a command is called with. */
export interface CommandContext {
  /** What follows the command's name. */
  readonly args: readonly string[];
  /** The person's wish to end. */
  readonly signal: AbortSignal;
}

/** A command of set-up. */
export interface Command {
  /** What it runs answers `--help` by itself. @default false */
  readonly hasOwnHelp?: boolean;
  /** Arguments and purpose, a line for `--help`. */
  readonly synopsis: readonly [args: string, purpose: string];
  /** Resolves to the exit code. */
  readonly run: (context: CommandContext) => Promise<number>;
}

/** Returns the text of `--help`. */
export function usage(commands: Readonly<Record<string, Command>>): string {
  const lines = Object.entries(commands).map(
    ([
      name,
      {
        synopsis: [args, purpose],
      },
    ]) => {
      return `  ${`${name} ${args}`.padEnd(28)} ${purpose}`;
    },
  );
  return ['Usage: node test/setup/run.mjs <command>', ...lines].join('\n');
}
