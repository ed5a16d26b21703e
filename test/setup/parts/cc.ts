import { installPackages } from '../apt.ts';
import { findProgram } from '../find-program.ts';
import type { Part } from '../part.ts';
import { withProgress } from '../progress.ts';

/** The path of a C compiler, for the program that the benchmarks compare with. */
export const cc: Part<string> = {
  description: 'C compiler',
  async obtain(context) {
    const found = findProgram('cc') ?? findProgram('gcc');
    if (found !== undefined) return found;
    await withProgress('Installing gcc from Debian', () => installPackages(['gcc', 'libc6-dev'], context));
    return '/usr/bin/gcc';
  },
};
