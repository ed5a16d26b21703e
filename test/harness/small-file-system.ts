import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { mkdtemp, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';

/** A file system of a test's own that is soon full. Disposal unmounts it. */
export interface SmallFileSystem extends AsyncDisposable {
  readonly path: string;
  /** Fills it to the last byte, with a file. */
  fill(): void;
  /** Removes that file. */
  free(): void;
}

/** Mounts one of so many bytes. */
export async function smallFileSystem(bytes: number): Promise<SmallFileSystem> {
  const path = await mkdtemp(join(tmpdir(), 'csv-'));
  await execa('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=700`, 'csv-small', path]);
  const filling = join(path, 'filling');
  return {
    path,
    fill: () => fillFile(filling, bytes),
    free: () => rmSync(filling),
    async [Symbol.asyncDispose]() {
      await execa('umount', ['--lazy', path]);
      await rmdir(path);
    },
  };
}

/** Writes no more than would fit, for else it is another file system that is filled: the machine's. */
function fillFile(path: string, bytes: number): void {
  const chunk = Buffer.alloc(1 << 20, 'x');
  const fd = openSync(path, 'a');
  try {
    for (let written = 0; written <= bytes;) written += writeSync(fd, chunk);
    throw new Error(`"${path}" is not on the small file system`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    closeSync(fd);
  }
}
