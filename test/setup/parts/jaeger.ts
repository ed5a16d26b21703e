import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cached } from '../cached.ts';
import type { Part } from '../part.ts';
import { runTool } from '../tool.ts';
import { versions } from '../versions.ts';
import { go, goEnvironment } from './go.ts';

const goModule = fileURLToPath(new URL('../jaeger', import.meta.url));

/** The path of Jaeger's all-in-one program, built from source; its page is a placeholder, its API is whole. */
export const jaeger: Part<string> = {
  description: `Jaeger ${versions.jaeger}, built with Go`,
  async obtain(context) {
    const make = async (directory: string): Promise<void> => {
      const command = await go.obtain(context);
      const output = join(directory, 'jaeger');
      const args = ['build', '-trimpath', '-buildvcs=false', '-ldflags=-s -w', '-o', output];
      const program = 'github.com/jaegertracing/jaeger/cmd/jaeger';
      await runTool(command, [...args, program], { ...context, cwd: goModule, env: goEnvironment });
    };
    const doing = `Building Jaeger ${versions.jaeger} with Go, about 3 minutes (once)`;
    return join(await cached({ name: `jaeger-${versions.jaeger}`, doing, make }, context), 'jaeger');
  },
};
