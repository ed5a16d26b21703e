import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cached } from '../cached.ts';
import { hashFiles } from '../hash-files.ts';
import type { Part } from '../part.ts';
import { runTool } from '../tool.ts';
import { go, goEnvironment } from './go.ts';

const sources = fileURLToPath(new URL('../../../examples/share-service/', import.meta.url));

/** The path of the Go program of examples/share-service. */
export const shareService: Part<string> = {
  description: 'the Go client of the share service',
  async obtain(context) {
    const name = `share-service-${await hashFiles(sources, ['**/*.{go,mod,sum}'])}`;
    const make = async (directory: string): Promise<void> => {
      const command = await go.obtain(context);
      const args = ['-C', sources, 'build', '-trimpath', '-o', join(directory, 'share'), '.'];
      await runTool(command, args, { ...context, env: goEnvironment });
    };
    const doing = 'Building the Go client of the share service, about a minute (once)';
    return join(await cached({ name, doing, make }, context), 'share');
  },
};
