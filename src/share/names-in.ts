import { readdirSync, type Dirent } from 'node:fs';

/** The names in a directory; none where there is no such directory. */
export const namesIn = (directory: string): string[] => entriesIn(directory).map(({ name }) => name);

/** The folders in a directory. What others put there is no folder of ours, be it a link to one. */
export const foldersIn = (directory: string): string[] =>
  entriesIn(directory).flatMap((entry) => (entry.isDirectory() ? entry.name : []));

function entriesIn(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}
