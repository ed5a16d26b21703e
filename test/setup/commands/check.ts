import { runProgram } from '../run-program.ts';
import { findTests } from '../test-run/find-tests.ts';
import { runTests } from '../test-run/run-tests.ts';
import type { Command } from './command.ts';

/** What a change must pass before it is committed: quick, and without QEMU, daemons or compilers. */
export const check: Command = {
  synopsis: ['', 'format, lint, types and the fast tests'],
  async run({ signal }) {
    const tools = [['oxfmt', '--check'], ['oxlint'], ['tsc', '-p', '.']] as const;
    for (const [tool, ...args] of tools) {
      const code = await runProgram(`node_modules/.bin/${tool}`, args, { signal });
      if (code !== 0) return code;
    }
    return runTests(await findTests('fast'), { signal });
  },
};
