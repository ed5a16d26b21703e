import { obtainAll } from '../obtain-all.ts';
import { runNode } from '../run-program.ts';
import type { Command } from './command.ts';

/** Does random things to hosts and what they have, and looks whether anything is left or lost. */
export const chaos: Command = {
  hasOwnHelp: true,
  synopsis: ['[option…]', 'kill hosts, daemons and VMMs at random; needs root'],
  async run({ args, signal }) {
    if (!args.includes('--help')) await obtainAll(['virtiofsd-c', 'virtiofsd-rust'], signal);
    return runNode(['test/chaos/run.ts', ...args], { signal });
  },
};
