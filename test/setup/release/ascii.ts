import type { Plugin } from 'rolldown';

/** Escapes what is not ASCII: with one character beyond Latin-1 Node.js holds a whole file with two bytes for each. */
export const ascii: Plugin = {
  name: 'ascii',
  generateBundle(_, files) {
    for (const file of Object.values(files))
      if (file.type === 'chunk') file.code = file.code.replaceAll(/[^\0-\x7F]/g, escape);
  },
};

/** Works in strings, names and regular expressions alike; a character beyond the basic plane is two of them. */
const escape = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
