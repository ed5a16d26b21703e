import { obtainAll } from '../obtain-all.ts';
import { allParts } from '../parts/index.ts';
import { runNode } from '../run-program.ts';
import type { Command } from './command.ts';

/** Runs the benchmarks. */
export const bench: Command = {
  hasOwnHelp: true,
  synopsis: ['[argument…]', 'measure; prints a table and JSON'],
  async run({ args, signal }) {
    if (!args.includes('--help')) await obtainAll([...allParts, 'runc-shim'], signal);
    return runNode(['test/bench/run.ts', ...args], { signal });
  },
};
