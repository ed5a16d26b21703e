import { obtainAll } from '../obtain-all.ts';
import { allParts } from '../parts/index.ts';
import { runNode } from '../run-program.ts';
import type { Command } from './command.ts';

/** Runs the benchmarks. */
export const bench: Command = {
  synopsis: ['[argument…]', 'measure; prints a table and JSON'],
  async run({ args, signal }) {
    await obtainAll(allParts, signal);
    return runNode(['test/bench/run.ts', ...args], { signal });
  },
};
