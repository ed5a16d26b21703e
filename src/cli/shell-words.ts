import { printable } from '../text/printable.ts';
import { shellWord } from '../text/shell-word.ts';

/** Returns words as a POSIX shell reads them. */
export const shellWords = (words: readonly string[]): string => words.map(printable).map(shellWord).join(' ');
