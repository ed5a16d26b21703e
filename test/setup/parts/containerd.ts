import { join } from 'node:path';
import { cached } from '../cached.ts';
import type { Part } from '../part.ts';
import { runTool } from '../tool.ts';
import { go, goEnvironment } from './go.ts';

/** Programs of one containerd release. */
export interface Containerd {
  /** The folder that holds them. */
  readonly directory: string;
  readonly containerd: string;
  readonly ctr: string;
}

/** containerd and ctr of the release `version`, built from source, so that releases stand side by side. */
export function containerd(version: string): Part<Containerd> {
  return {
    description: `containerd and ctr ${version}, built with Go`,
    async obtain(context) {
      const make = async (directory: string): Promise<void> => {
        const command = await go.obtain(context);
        const programs = ['containerd', 'ctr'].map(
          (name) => `github.com/containerd/containerd/v2/cmd/${name}@v${version}`,
        );
        const env = { ...goEnvironment, GOBIN: directory };
        await runTool(command, ['install', '-trimpath', '-ldflags=-s -w', ...programs], { ...context, env });
      };
      const doing = `Building containerd ${version} with Go, about a minute (once)`;
      const directory = await cached({ name: `containerd-${version}`, doing, make }, context);
      return { directory, containerd: join(directory, 'containerd'), ctr: join(directory, 'ctr') };
    },
  };
}
