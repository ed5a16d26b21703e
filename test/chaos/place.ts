import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describeStateDirectory } from '../../src/share/state-directory.ts';
import type { Share } from '../../src/proto/share/shares_pb.ts';
import { isGone } from '../harness/leftovers.ts';
import { startServe, type ServeProcess } from '../harness/serve-process.ts';
import { smallFileSystem } from '../harness/small-file-system.ts';
import { violations, type Expected, type ExpectedShare } from './invariants.ts';

/** For state and logs. What guests write is on file systems of their own, and takes nothing of this. */
const BYTES = 256 << 20;

/** Which daemon hosts start. */
export interface DaemonChoice {
  readonly daemon: string;
  readonly dialect: 'c' | 'rust';
}

/** A state directory with hosts one after the other, whose guests' directories are mounts; needs root. Disposal unmounts. */
export interface Place extends AsyncDisposable {
  readonly directory: string;
  readonly state: string;
  /** A directory to share. */
  readonly source: string;
  readonly sharedDirectory: string;
  start(options?: Partial<Parameters<typeof startServe>[1]>): Promise<ServeProcess>;
  /** What is wrong where there are these shares and no others. */
  violations(
    host: Pick<ServeProcess, 'pid'>,
    expected: Pick<Expected, 'shares' | 'strangers' | 'base'>,
  ): string[];
}

/** Makes one; only its owner uses it. */
export async function openPlace(choice: DaemonChoice): Promise<Place> {
  await using stack = new AsyncDisposableStack();
  const fileSystem = stack.use(await smallFileSystem(BYTES));
  const directory = fileSystem.path;
  const state = join(directory, 'state');
  const source = join(directory, 'source');
  mkdirSync(source);
  const scratchDir = join(directory, 'scratch');
  const { sharedDirectory } = describeStateDirectory(state, { scratchDir });
  const environment = {
    NODE_COMPILE_CACHE: join(directory, 'compiled'),
    NODE_DISABLE_COMPILE_CACHE: undefined,
  };
  const start: Place['start'] = (options = {}) =>
    startServe(directory, {
      ...choice,
      scratchDir,
      ...options,
      environment: { ...environment, ...options.environment },
    });
  await using first = await start();
  // One that is killed writes nothing down of what it has compiled, and the others take twice as long.
  await first.end('SIGTERM');
  const own = stack.move();
  return {
    directory,
    state,
    source,
    sharedDirectory,
    start,
    violations: ({ pid }, expected) =>
      violations({ directory, sharedDirectory, hostPid: pid, isScratchMounted: true, ...expected }),
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}

/** What a share that is listed has to have: a daemon that runs, or one that has ended and says why. */
export const expectedOf = (share: Share): ExpectedShare => ({
  ...share,
  isAlive: share.exit === undefined,
});

/** What is wrong with a share that nobody has used yet. */
export const flawsOf = ({ tag, state, pid, socketPath }: Share): string[] => [
  ...(state === 'waiting' ? [] : [`share "${tag}" is ${state}`]),
  ...(isGone(pid) ? [`daemon ${pid} of share "${tag}" is gone`] : []),
  ...(existsSync(socketPath) ? [] : [`socket ${socketPath} of share "${tag}" is gone`]),
];
