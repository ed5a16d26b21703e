import type { parseArgs } from 'node:util';

/** An option of a command: how it is read and how help shows it. */
export interface Option {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  /** What stands for its value in help, e.g. `FILE`. */
  readonly value?: string;
  readonly purpose: string;
}

/** Options by their long names. */
export type Options = Readonly<Record<string, Option>>;

/** An argument that is known by its place: how help and errors name it. */
export interface Positional {
  /** E.g. `SANDBOX`. */
  readonly value: string;
  readonly purpose: string;
  /** @default false */
  readonly isOptional?: boolean;
}

/** Positional arguments by their names, in their order; the optional ones last. */
export type Positionals = Readonly<Record<string, Positional>>;

/** What a command line says of `Known` and `Placed`. */
export type Values<Known extends Options, Placed extends Positionals> = ReturnType<
  typeof parseArgs<{ options: Known }>
>['values'] & {
  readonly [Name in keyof Placed]: Placed[Name]['isOptional'] extends true ? string | undefined : string;
};

/** What a command of `shim-virtiofs` does; its name and purpose stand in the list of `main.ts`. */
export interface Command<Known extends Options = Options, Placed extends Positionals = Positionals> {
  /** Lines for its own help. */
  readonly description: string;
  /** @default none */
  readonly positionals?: Placed;
  readonly options: Known;
  /** What its exit codes mean, a line. */
  readonly exitStatus: string;
  /**
   * Resolves to the exit code.
   *
   * @throws UsageError for a value that an option does not take; CommandError
   */
  run(values: Values<Known, Placed>): Promise<number>;
}

/** A command line that is wrong. */
export class UsageError extends Error {}

/** What kept a command from its work, and the exit code that stands for it. */
export class CommandError extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/** Returns the command, its values typed by its options and positional arguments. */
export const defineCommand = <
  const Known extends Options,
  // oxlint-disable-next-line typescript/no-generated-empty-object-type -- a command may have none
  const Placed extends Positionals = Record<never, Positional>,
>(
  command: Command<Known, Placed>,
): Command<Known, Placed> => command;
