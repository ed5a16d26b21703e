import { copyFile, appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cpioArchive, entryType } from '../../setup/cpio.ts';

/** A temporary file, removed by disposal. */
export interface BootFile extends AsyncDisposable {
  readonly path: string;
}

/** Writes a copy of the initial root file system with `script` added as /script; the kernel unpacks archives one after the other. */
export async function writeInitrd(initrd: string, script: string): Promise<BootFile> {
  const directory = await mkdtemp(join(tmpdir(), 'csv-guest-'));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const path = join(directory, 'initrd');
  await copyFile(initrd, path);
  await appendFile(path, cpioArchive([{ path: 'script', mode: entryType.file | 0o755, content: script }]));
  const files = stack.move();
  return { path, [Symbol.asyncDispose]: () => files.disposeAsync() };
}
