import { printableLines } from '../text/printable.ts';

/** Says what is wrong with a command line and which help tells more; returns the exit code. */
export function rejectUsage(problem: string, help: string): number {
  sayProblem(`${problem}\nTry "shim-virtiofs ${help}".`);
  return 2;
}

/** Says on standard error why the program does not do what it was told. */
export const sayProblem = (problem: string): boolean =>
  process.stderr.write(`shim-virtiofs: ${printableLines(problem)}\n`);
