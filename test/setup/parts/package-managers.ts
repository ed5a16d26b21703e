import { mkdir, rm, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { cached } from '../cached.ts';
import type { Part, SetupContext } from '../part.ts';
import { runTool } from '../tool.ts';
import { versions } from '../versions.ts';

/** What other projects install packages with. */
export interface PackageManagers {
  /** Has the machine's npm, and the `pnpm` and `yarn` that it adds to the PATH, install from the cache alone. */
  readonly env: Readonly<Record<string, string>>;
}

/** What the README of ttrpc-ts has the reader install, apart from itself; the newest there is when it is fetched. */
const packages = ['@bufbuild/protobuf', '@bufbuild/buf', '@bufbuild/protoc-gen-es', '@types/node'];

/** pnpm and yarn, and in the cache of each the packages that the README of ttrpc-ts names. */
export const packageManagers: Part<PackageManagers> = {
  description: `pnpm ${versions.pnpm} and yarn ${versions.yarn}, with the packages that ttrpc-ts is tested beside`,
  async obtain(context) {
    const name = `package-managers-pnpm-${versions.pnpm}-yarn-${versions.yarn}`;
    const doing = 'Downloading pnpm, yarn and some packages from the npm registry';
    const make = (directory: string): Promise<void> => download(directory, context);
    const directory = await cached({ name, doing, make }, context);
    const offline = {
      npm_config_offline: 'true',
      pnpm_config_offline: 'true',
      YARN_ENABLE_OFFLINE_MODE: 'true',
    };
    return { env: { ...environment(directory), ...offline } };
  },
};

async function download(directory: string, context: SetupContext): Promise<void> {
  const env = environment(directory);
  const programs = [`pnpm@${versions.pnpm}`, `@yarnpkg/cli-dist@${versions.yarn}`];
  await runTool('npm', ['install', '--prefix', directory, ...programs], { ...context, env });
  const installs: readonly (readonly [string, ...string[]])[] = [
    ['npm', 'install'],
    ['pnpm', 'add', '--ignore-scripts'],
    ['yarn', 'add'],
  ];
  const project = join(directory, 'project');
  for (const [command, ...args] of installs) {
    await mkdir(project);
    await writeFile(join(project, 'package.json'), '{}');
    // Its own, or yarn would take the folder above for the project.
    await writeFile(join(project, 'yarn.lock'), '');
    await runTool(command, [...args, ...packages], { ...context, cwd: project, env });
    await rm(project, { recursive: true });
  }
}

function environment(directory: string): Record<string, string> {
  const programs = join(directory, 'node_modules/.bin');
  return {
    // Our Node first: npm passes over versions of packages that its own does not run.
    PATH: [programs, dirname(process.execPath), process.env['PATH']].join(delimiter),
    npm_config_cache: join(directory, 'npm'),
    npm_config_logs_max: '0',
    XDG_CACHE_HOME: join(directory, 'cache'),
    XDG_DATA_HOME: join(directory, 'data'),
    XDG_STATE_HOME: join(directory, 'state'),
    YARN_GLOBAL_FOLDER: join(directory, 'yarn'),
    // yarn looks offline for packages only in a cache beside the project's.
    YARN_ENABLE_GLOBAL_CACHE: 'false',
    YARN_ENABLE_TELEMETRY: 'false',
  };
}
