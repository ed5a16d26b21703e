import { join } from 'node:path';
import { cached } from '../cached.ts';
import type { Part } from '../part.ts';
import { runTool } from '../tool.ts';
import { go, goEnvironment } from './go.ts';

const VERSION = '2.4.2';

/** containerd's own shim for runc, which the benchmark compares our `start` with. */
export const runcShim: Part<string> = {
  description: `containerd-shim-runc-v2 ${VERSION}, built with Go (benchmark)`,
  async obtain(context) {
    const make = async (directory: string): Promise<void> => {
      const command = await go.obtain(context);
      const program = `github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2@v${VERSION}`;
      const env = { ...goEnvironment, GOBIN: directory };
      await runTool(command, ['install', '-trimpath', '-ldflags=-s -w', program], { ...context, env });
    };
    const doing = `Building containerd-shim-runc-v2 ${VERSION} with Go, about half a minute (once)`;
    const directory = await cached({ name: `containerd-shim-runc-v2-${VERSION}`, doing, make }, context);
    return join(directory, 'containerd-shim-runc-v2');
  },
};
