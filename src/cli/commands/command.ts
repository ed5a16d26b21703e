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

/** What a command line says of `Known`. */
export type Values<Known extends Options> = ReturnType<typeof parseArgs<{ options: Known }>>['values'];

/** What a command of `shim-virtiofs` does; its name and purpose stand in the list of `main.ts`. */
export interface Command<Known extends Options = Options> {
  /** Lines for its own help. */
  readonly description: string;
  readonly options: Known;
  /** What its exit codes mean, a line. */
  readonly exitStatus: string;
  /**
   * Resolves to the exit code.
   *
   * @throws UsageError for a value that an option does not take
   */
  run(values: Values<Known>): Promise<number>;
}

/** A command line that is wrong. */
export class UsageError extends Error {}

/** Returns the command, its values typed by its options. */
export const defineCommand = <const Known extends Options>(command: Command<Known>): Command<Known> =>
  command;
