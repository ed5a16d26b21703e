import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cut, widthOf } from '../../src/cli/display-width.ts';
import { formatTable } from '../../src/cli/table.ts';

const ROWS = [
  ['NAME', 'STATE', 'DIRECTORY'],
  ['a', 'waiting', '/srv/a/long/directory'],
  ['a-longer-name', 'exited', '/b'],
];

describe('formatTable()', () => {
  test('aligns its columns and ends lines without blanks', () => {
    assert.deepEqual(formatTable(ROWS, Infinity).split('\n'), [
      'NAME           STATE    DIRECTORY',
      'a              waiting  /srv/a/long/directory',
      'a-longer-name  exited   /b',
      '',
    ]);
  });

  test('cuts the widest cells first, with an ellipsis, to the width that there is', () => {
    assert.deepEqual(formatTable(ROWS, 33).split('\n'), [
      'NAME         STATE    DIRECTORY',
      'a            waiting  /srv/a/lon…',
      'a-longer-n…  exited   /b',
      '',
    ]);
  });

  for (const columns of [15, 20, 40, 80]) {
    test(`has no line of more than ${columns} columns`, () => {
      const lines = formatTable(
        [...ROWS, ['名前名前名前名前', '👩‍👩‍👧 e\u0301', '/ｗｉｄｅ/path/of/it']],
        columns,
      ).split('\n');
      for (const line of lines) assert.ok(widthOf(line) <= columns, line);
    });
  }

  test('keeps three columns of each where not even these fit', () => {
    assert.equal(formatTable(ROWS, 1).split('\n')[0], 'NA…  ST…  DI…');
  });

  test('shows what would steer a terminal', () => {
    assert.equal(formatTable([['\x1b[2J', '\u202e', '\n']], Infinity), '\\x1b[2J  \\u{202e}  \\x0a\n');
  });
});

describe('widthOf()', () => {
  const widths: [text: string, width: number][] = [
    ['plain', 5],
    ['e\u0301', 1],
    ['日本', 4],
    ['ｆ', 2],
    ['한', 2],
    ['🚀', 2],
    ['👩‍👩‍👧', 2],
    ['\u200b', 0],
  ];
  for (const [text, width] of widths) {
    test(`of ${JSON.stringify(text)} is ${width}`, () => {
      assert.equal(widthOf(text), width);
    });
  }
});

describe('cut()', () => {
  test('leaves what fits, and cuts nothing in two', () => {
    assert.deepEqual(
      [cut('日本語', 6), cut('日本語', 5), cut('日本語', 4), cut('e\u0301e\u0301e\u0301', 2), cut('abc', 1)],
      ['日本語', '日本…', '日…', 'e\u0301…', '…'],
    );
  });
});
