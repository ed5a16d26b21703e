import { installPackages } from '../apt.ts';
import { findProgram } from '../find-program.ts';
import type { Part } from '../part.ts';
import { withProgress } from '../progress.ts';

/** The path of a program, which a Debian package has where the machine has none. */
export function debianProgram(
  program: string,
  { description, name, path }: { description: string; name: string; path: string },
): Part<string> {
  return {
    description,
    async obtain(context) {
      const found = findProgram(program);
      if (found !== undefined) return found;
      await withProgress(`Installing ${name} from Debian`, () => installPackages([name], context));
      return path;
    },
  };
}
