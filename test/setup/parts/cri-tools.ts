import { join } from 'node:path';
import { cached } from '../cached.ts';
import type { Part, SetupContext } from '../part.ts';
import { runTool } from '../tool.ts';
import { versions } from '../versions.ts';
import { go, goEnvironment } from './go.ts';

const MODULE = `sigs.k8s.io/cri-tools@v${versions.criTools}`;
const SMALL = ['-trimpath', '-ldflags=-s -w'];

/** The path of `critest`, the conformance tests of Kubernetes for its container runtime interface. */
export const critest: Part<string> = criTool('critest', async (output, context) => {
  const command = await go.obtain(context);
  const options = { ...context, env: goEnvironment };
  const module = JSON.parse(await runTool(command, ['mod', 'download', '-json', MODULE], options)) as {
    Dir: string;
  };
  // A program of tests, which `go install` does not build. Its module brings the sums of all that it needs.
  const args = ['test', '-c', ...SMALL, '-o', output, './cmd/critest'];
  await runTool(command, args, { ...options, cwd: module.Dir });
});

/** The path of `crictl`, with which a person looks at pods. */
export const crictl: Part<string> = criTool('crictl', async (output, context) => {
  const command = await go.obtain(context);
  const env = { ...goEnvironment, GOBIN: join(output, '..') };
  const program = MODULE.replace('@', '/cmd/crictl@');
  await runTool(command, ['install', ...SMALL, program], { ...context, env });
});

function criTool(
  name: string,
  build: (output: string, context: SetupContext) => Promise<void>,
): Part<string> {
  return {
    description: `${name} ${versions.criTools}, built with Go`,
    async obtain(context) {
      const make = (directory: string): Promise<void> => build(join(directory, name), context);
      const doing = `Building ${name} ${versions.criTools} with Go, about a minute (once)`;
      return join(await cached({ name: `${name}-${versions.criTools}`, doing, make }, context), name);
    },
  };
}
