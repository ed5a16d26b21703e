import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { temporaryDirectory } from './temporary-directory.ts';

/** An ext4 of a test's own, in a file, that enforces project quotas. Disposal unmounts it. */
export interface QuotaFileSystem extends AsyncDisposable {
  readonly path: string;
  /** What the kernel counts, by project id: KiB, and their hard limit. Project 0 is what has none. */
  usage(): Promise<Record<string, { kib: number; limitKib: number }>>;
}

/** Mounts one of 64 MiB; it needs root, and a kernel that knows quotas. */
export async function quotaFileSystem(): Promise<QuotaFileSystem> {
  await using undo = new AsyncDisposableStack();
  const directory = undo.use(await temporaryDirectory());
  const image = join(directory.path, 'image');
  const path = join(directory.path, 'mounted');
  await execa('truncate', ['--size=64M', image]);
  await execa('mkfs.ext4', ['-q', '-O', 'quota,project', image]);
  await mkdir(path);
  await execa('mount', ['-o', 'loop,prjquota', image, path]);
  undo.defer(() => execa('umount', [path]).then(() => {}));
  const own = undo.move();
  return {
    path,
    async usage() {
      const { stdout } = await execa('repquota', ['-Pnv', '-O', 'csv', path]);
      const rows = [...stdout.matchAll(/^#(\d+),\w+,\w+,(\d+),\d+,(\d+),/gm)];
      return Object.fromEntries(
        rows.map(([, id = '', kib, limitKib]) => [id, { kib: Number(kib), limitKib: Number(limitKib) }]),
      );
    },
    [Symbol.asyncDispose]: () => own.disposeAsync(),
  };
}
