import { obtainAll } from '../obtain-all.ts';
import { allParts } from '../parts/index.ts';
import { findTests } from '../test-run/find-tests.ts';
import { runTests } from '../test-run/run-tests.ts';
import type { Command } from './command.ts';

/** Runs the tests: all of them after getting all parts, or the named ones, which get what they need. */
export const test: Command = {
  synopsis: ['[option of node --test…] [file…]', 'run all tests, or those files'],
  async run({ args, signal }) {
    const isRestricted = args.some((arg) => !arg.startsWith('-'));
    if (isRestricted) return runTests(args, { signal });
    await obtainAll(allParts, signal);
    return runTests([...args, ...(await findTests('all'))], { signal });
  },
};
