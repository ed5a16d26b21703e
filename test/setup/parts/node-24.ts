import { join } from 'node:path';
import { cached } from '../cached.ts';
import type { Part } from '../part.ts';
import { runTool } from '../tool.ts';
import { versions } from '../versions.ts';

/** The path of a Node.js of the oldest major that the packages run on. */
export const node24: Part<string> = {
  description: `Node.js ${versions.node24}, from the npm registry`,
  async obtain(context) {
    const name = `node-${process.platform}-${process.arch}`;
    const spec = `${name}@${versions.node24}`;
    const make = async (directory: string): Promise<void> => {
      const args = ['install', '--prefix', directory, '--ignore-scripts', spec];
      await runTool('npm', args, { ...context, cwd: directory });
    };
    const doing = `Downloading Node.js ${versions.node24} from the npm registry`;
    const directory = await cached({ name: `${name}-${versions.node24}`, doing, make }, context);
    return join(directory, 'node_modules', name, 'bin/node');
  },
};
