/**
 * What makes a terminal do something, or hides or reorders what stands around it: control characters but the tab, line
 * and paragraph separators, marks of direction.
 */
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const UNPRINTABLE = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Returns a text from outside for one line of a message: `\x1b` and `\u{202e}` stand for what cannot be shown. */
export const printable = (text: string): string =>
  text.replaceAll(UNPRINTABLE, (character) => {
    const digits = (character.codePointAt(0) ?? 0).toString(16);
    return digits.length > 2 ? `\\u{${digits}}` : `\\x${digits.padStart(2, '0')}`;
  });

/** {@link printable} for a message of several lines. */
export const printableLines = (text: string): string => text.split('\n').map(printable).join('\n');
