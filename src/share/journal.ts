import { appendFileSync, readFileSync } from 'node:fs';

/** Adds a value to a file of them, which takes the same time however many there are. */
export function appendTo(path: string, value: unknown): void {
  // The line's end comes first, so that what a dying host or a full file system cut off spoils no later line.
  appendFileSync(path, `\n${JSON.stringify(value)}`, { mode: 0o600 });
}

/** Reads the values of such a file, but for those that were cut off; a missing file has none. */
export function readJournal(path: string): unknown[] {
  return textIn(path)
    .split('\n')
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as unknown];
      } catch {
        return [];
      }
    });
}

function textIn(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
