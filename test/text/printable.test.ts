import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { printable, printableLines } from '../../src/text/printable.ts';

describe('printable()', () => {
  for (const [name, text, expected] of [
    ['colours', '\u001b[31mred\u001b[0m', String.raw`\x1b[31mred\x1b[0m`],
    ['a line that overwrites', 'all is well\r\bfailed', String.raw`all is well\x0d\x08failed`],
    ['another line', 'one\nERROR: two', String.raw`one\x0aERROR: two`],
    ['the eight-bit escape and DEL', '\u009b2J\u007f', String.raw`\x9b2J\x7f`],
    ['a reversed end', 'a\u202ecod.exe', String.raw`a\u{202e}cod.exe`],
    ['what can be shown', 'Grüße,\t"日本" 🦀 \\x1b', 'Grüße,\t"日本" 🦀 \\x1b'],
  ] as const) {
    test(`escapes ${name} as it should`, () => assert.equal(printable(text), expected));
  }
});

describe('printableLines()', () => {
  test('keeps the lines of a message', () =>
    assert.equal(printableLines('one\n\u001btwo\n'), 'one\n\\x1btwo\n'));
});
