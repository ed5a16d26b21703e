import { obtainAll } from '../obtain-all.ts';
import { runNode } from '../run-program.ts';
import type { Command } from './command.ts';

/** Runs the demo, after getting the least that it needs. */
export const demo: Command = {
  synopsis: ['[--nydus]', 'share a directory with a guest and show what happened; or pull an image lazily'],
  async run({ args, signal }) {
    if (args[0] === '--nydus') {
      await obtainAll(['qemu', 'initrd', 'registry', 'nydus'], signal);
      return runNode(['examples/nydus/demo.ts', ...args.slice(1)], { signal });
    }
    await obtainAll(['qemu', 'initrd', 'virtiofsd'], signal);
    return runNode(['examples/demo/demo.ts', ...args], { signal });
  },
};
