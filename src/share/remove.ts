import { rmdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { ShareFiles, StateDirectory } from './state-directory.ts';

/** Removes a share's files, and its sandbox's and namespace's directories when it was the last in them. */
export function removeShareFiles(
  { directory, record, newRecord, output }: ShareFiles,
  { trash }: Pick<StateDirectory, 'trash'>,
): void {
  for (const path of [record, newRecord, output]) rmSync(path, { force: true });
  // What others have put beside our files must not keep the tag taken.
  if (!removeIfEmpty(directory)) trash.remove(directory);
  removeSandboxDirectory(dirname(directory));
}

/** Removes a sandbox's directory, and then its namespace's, when nothing is in it any more. */
export function removeSandboxDirectory(directory: string): void {
  if (removeIfEmpty(directory)) removeIfEmpty(dirname(directory));
}

/** Returns false where the directory has to stay. */
function removeIfEmpty(directory: string): boolean {
  try {
    rmdirSync(directory);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (['ENOTEMPTY', 'EEXIST', 'EBUSY'].includes(code)) return false;
    if (code !== 'ENOENT') throw error;
  }
  return true;
}
