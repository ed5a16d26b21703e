import { runProgram } from '../run-program.ts';
import { findTests } from '../test-run/find-tests.ts';
import { runTests } from '../test-run/run-tests.ts';
import type { Command } from './command.ts';

/** What a change must pass before it is committed: quick, and without QEMU, daemons or compilers. */
export const check: Command = {
  synopsis: ['', 'format, lint, types and the fast tests'],
  async run({ signal }) {
    const tools = [['oxfmt', '--check'], ['oxlint'], ['tsc', '-p', '.']] as const;
    let isFine = true;
    for (const [tool, ...args] of tools) {
      isFine = (await runProgram(`node_modules/.bin/${tool}`, args, { signal })) === 0 && isFine;
    }
    const code = await runTests(await findTests('fast'), { signal });
    return isFine ? code : Math.max(code, 1);
  },
};
