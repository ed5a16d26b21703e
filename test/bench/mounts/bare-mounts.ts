import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ensurePropagation, releasePropagation } from '../../../src/mount/propagation.ts';

const run = promisify(execFile);

/** The calls of mount(8) and umount(8) that a host makes, without one. */
export interface BareMounts extends AsyncDisposable {
  mount(source: string, index: number): Promise<void>;
  unmount(index: number): Promise<void>;
}

/** Prepares the directories for them. */
export async function openBareMounts(directory: string): Promise<BareMounts> {
  const [shared, stage] = ['bare-shared', 'bare-stage'].map((name) => join(directory, name)) as [
    string,
    string,
  ];
  for (const path of [shared, stage]) mkdirSync(path);
  await ensurePropagation(shared, 'shared');
  const placeOf = (index: number): string => join(shared, `${index}`);
  return {
    async mount(source, index) {
      const target = placeOf(index);
      mkdirSync(target, { recursive: true });
      await run('mount', ['--rbind', '--make-rprivate', '--no-canonicalize', source, stage]);
      await run('mount', ['--move', '--no-canonicalize', stage, target]);
    },
    unmount: async (index) =>
      void (await run('umount', ['--recursive', '--no-canonicalize', placeOf(index)])),
    [Symbol.asyncDispose]: () => releasePropagation(shared),
  };
}
