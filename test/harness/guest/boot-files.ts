import { appendFile, copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cpioArchive, entryType } from '../../setup/cpio.ts';
import { temporaryDirectory } from '../temporary-directory.ts';

/** A temporary file, removed by disposal. */
export interface BootFile extends AsyncDisposable {
  readonly path: string;
}

/** Writes a copy of the initial root file system with `script` added as /script; the kernel unpacks archives one after the other. */
export async function writeInitrd(initrd: string, script: string): Promise<BootFile> {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory());
  const path = join(directory.path, 'initrd');
  await copyFile(initrd, path);
  await appendFile(path, cpioArchive([{ path: 'script', mode: entryType.file | 0o755, content: script }]));
  const files = stack.move();
  return { path, [Symbol.asyncDispose]: () => files.disposeAsync() };
}
