import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { z } from 'zod';
import { hint, keyText, problemsOf } from '../../src/config/problems.ts';

suite('problemsOf()', () => {
  test('lists every unknown key with the nearest known one of its own table, behind a prefix', () => {
    const schema = z.strictObject({
      list: z.array(z.strictObject({ name: z.string().optional() })).default([]),
      table: z.strictObject({ size: z.number() }).optional(),
    });
    const { error } = schema.safeParse({
      lst: 1,
      tabel: 2,
      list: [{}, { nmae: 1 }],
      table: { size: 1, siez: 1 },
    });
    const problems = problemsOf(schema, error?.issues ?? [], ['plugins', 'a.b']);
    const texts = problems.map(({ key, message }) => `${key}: ${message}`).toSorted();
    assert.deepEqual(texts, [
      'plugins."a.b".list.1.nmae: unknown key; did you mean "name"?',
      'plugins."a.b".lst: unknown key; did you mean "list"?',
      'plugins."a.b".tabel: unknown key; did you mean "table"?',
      'plugins."a.b".table.siez: unknown key; did you mean "size"?',
    ]);
  });

  test('takes issues of any Standard Schema: no path, segments, symbols', () => {
    const issues = [{ message: 'a' }, { message: 'b', path: [{ key: 'x' }, 0, 'y'] }];
    assert.deepEqual(problemsOf({}, issues), [
      { key: '', message: 'a' },
      { key: 'x.0.y', message: 'b' },
    ]);
  });
});

test('keyText() quotes as TOML does', () => {
  assert.equal(keyText(['plugins', 'a.b', 'c-d_1', '']), 'plugins."a.b".c-d_1.""');
});

suite('hint()', () => {
  test('names the nearest, or all where none is near, or nothing', () => {
    assert.equal(hint('cahce', ['size', 'cache']), '; did you mean "cache"?');
    assert.equal(hint('colour', ['size', 'cache']), '; known: size, cache');
    assert.equal(hint('x', []), '');
  });
});
