import { existsSync } from 'node:fs';
import { mkdtempDisposable, type DisposableTempDir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { execa } from 'execa';
import { mountsBeneath } from '../../src/proc/mountinfo.ts';

/** Where a host mounts, by the names in its state directory. */
const AREAS: ReadonlySet<string> = new Set(['shared', 'staging']);

/** A directory of a test's own. Disposal removes it with all that is in it. */
export type TemporaryDirectory = DisposableTempDir;

/** Makes a directory that ends with the test. */
export async function temporaryDirectory(): Promise<TemporaryDirectory> {
  const directory = await mkdtempDisposable(join(tmpdir(), 'csv-'));
  const remove = async (): Promise<void> => {
    await releaseMountAreas(directory.path);
    await directory.remove();
  };
  return { path: directory.path, remove, [Symbol.asyncDispose]: remove };
}

/** Unmounts what a host that was killed leaves to the next one, and nothing that any host is to unmount. */
async function releaseMountAreas(path: string): Promise<void> {
  if (!existsSync(path)) return;
  const areas = mountsBeneath(path).filter((mountpoint) => AREAS.has(basename(mountpoint)));
  for (const area of areas) await execa('umount', [area]);
}
