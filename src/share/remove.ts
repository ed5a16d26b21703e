import { rmdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { ShareFiles } from './state-directory.ts';

/** Removes a share's files, and its sandbox's and namespace's directories when it was the last in them. */
export function removeShareFiles({ directory, record, newRecord, output }: ShareFiles): void {
  for (const path of [record, newRecord, output]) rmSync(path, { force: true });
  for (const path of [directory, dirname(directory), dirname(dirname(directory))]) {
    try {
      rmdirSync(path);
    } catch {
      return;
    }
  }
}
