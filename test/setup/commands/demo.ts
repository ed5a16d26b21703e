import { obtainAll } from '../obtain-all.ts';
import { runNode } from '../run-program.ts';
import type { Command } from './command.ts';

/** Runs the demo, after getting the least that it needs. */
export const demo: Command = {
  synopsis: ['[argument…]', 'share a directory with a guest and show what happened'],
  async run({ args, signal }) {
    await obtainAll(['qemu', 'initrd', 'virtiofsd'], signal);
    return runNode(['examples/demo/demo.ts', ...args], { signal });
  },
};
