import { printable } from '../text/printable.ts';

/** Returns words as a POSIX shell reads them. */
export const shellWords = (words: readonly string[]): string =>
  words
    .map(printable)
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(' ');
