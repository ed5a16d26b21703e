import { rmdirSync, unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import type { SandboxFiles } from './sandbox-files.ts';
import type { ShareFiles, StateDirectory } from './state-directory.ts';

/** Removes a share's files, and its sandbox's and namespace's directories when it was the last in them. */
export function removeShareFiles(
  { directory, record, newRecord, mountJournal, output, reapedOutput }: ShareFiles,
  { trash }: Pick<StateDirectory, 'trash'>,
): void {
  for (const path of [record, newRecord, mountJournal, output, reapedOutput]) removeFile(path);
  // What others have put beside our files must not keep the tag taken; and where no daemon may begin, none can between.
  if (!removeIfEmpty(directory)) trash.remove(directory);
  removeSandboxDirectory(dirname(directory));
}

/** What is a directory stays. */
function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!['ENOENT', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

/** Removes what is on record of a sandbox itself, and its directory when no share is left in it. */
export function removeSandboxFiles({ directory, begunRecord, newRecord, record }: SandboxFiles): void {
  for (const path of [begunRecord, newRecord, record]) removeFile(path);
  removeSandboxDirectory(directory);
}

/** Removes a sandbox's directory, and then its namespace's, when nothing is in it any more. */
export function removeSandboxDirectory(directory: string): void {
  if (removeIfEmpty(directory)) removeIfEmpty(dirname(directory));
}

/** Removes a directory of ours. Returns false where it has to stay: something is in it, or what stands there is none. */
export function removeIfEmpty(directory: string): boolean {
  try {
    rmdirSync(directory);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (['ENOTEMPTY', 'EEXIST', 'EBUSY', 'ENOTDIR'].includes(code)) return false;
    if (code !== 'ENOENT') throw error;
  }
  return true;
}
