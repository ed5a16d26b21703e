import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { temporaryDirectory } from './temporary-directory.ts';

/** A file system with another one mounted in it, both of which pass on what is mounted in them, as all of systemd's do. */
export interface MountedTree extends AsyncDisposable {
  readonly path: string;
  /** Where the other one is mounted. */
  readonly below: string;
}

/** Mounts one. Disposal unmounts it; where somebody else has done so already, it fails. Needs root. */
export async function mountedTree(): Promise<MountedTree> {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory());
  const path = join(directory.path, 'tree');
  const below = join(path, 'below');
  for (const mountpoint of [path, below]) {
    await mkdir(mountpoint);
    await execa('mount', ['-t', 'tmpfs', '--make-shared', 'csv-tree', mountpoint]);
    stack.defer(async () => void (await execa('umount', [mountpoint])));
  }
  const own = stack.move();
  return { path, below, [Symbol.asyncDispose]: () => own.disposeAsync() };
}
