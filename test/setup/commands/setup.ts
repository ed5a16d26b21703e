import { obtainAll } from '../obtain-all.ts';
import { allParts, isPartName, parts } from '../parts/index.ts';
import { SetupError } from '../setup-error.ts';
import type { Command } from './command.ts';

/** Gets parts and does nothing else. */
export const setup: Command = {
  synopsis: ['[part…]', `get parts ahead of time: ${allParts.join(', ')}; all if none is named`],
  async run({ args, signal }) {
    for (const name of args) {
      if (!isPartName(name))
        throw new SetupError(`Unknown part "${name}": there are ${Object.keys(parts).join(', ')}`);
    }
    await obtainAll(args.length === 0 ? allParts : args.filter(isPartName), signal);
    return 0;
  },
};
