import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { z } from 'zod';
import * as mini from 'zod/mini';
import { hint, keyText, problemsOf } from '../../src/config/problems.ts';

const defaulted = (table: z.ZodObject): z.ZodType =>
  z.strictObject({ a: table.nullable().default({}).readonly() }).prefault({});

function recursive(): z.ZodType {
  const schema = z.strictObject({
    size: z.number().optional(),
    get next() {
      return schema.optional();
    },
  });
  return schema;
}

describe('problemsOf()', () => {
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

  const table = z.strictObject({ size: z.number().optional() });
  const small = mini.strictObject({ size: mini.optional(mini.number()) });
  const kinds: [kind: string, schema: z.ZodType | mini.ZodMiniType, input: unknown, key: string][] = [
    ['a record', z.record(z.string(), table), { a: { siez: 1 } }, 'a.siez'],
    ['a pipe', table.transform(Object.keys), { siez: 1 }, 'siez'],
    ['what is preprocessed', z.preprocess((input) => input, table), { siez: 1 }, 'siez'],
    ['a refinement', table.refine(() => true), { siez: 1 }, 'siez'],
    ['what may be null, has a default and is read-only', defaulted(table), { a: { siez: 1 } }, 'a.siez'],
    ['a list', z.array(table), [{ siez: 1 }], '0.siez'],
    ['a tuple', z.tuple([z.string(), table]), ['', { siez: 1 }], '1.siez'],
    ['a union', z.union([z.string(), table]), { siez: 1 }, 'siez'],
    ['what refers to itself', recursive(), { next: { next: { siez: 1 } } }, 'next.next.siez'],
    ["a record of zod's small form", mini.record(mini.string(), small), { a: { siez: 1 } }, 'a.siez'],
    ["a pipe of zod's small form", mini.pipe(small, mini.transform(Object.keys)), { siez: 1 }, 'siez'],
    ["a table of zod's small form in one of the whole", z.object({ a: small }), { a: { siez: 1 } }, 'a.siez'],
    ['what JSON Schema cannot say', table.extend({ since: z.date().optional() }), { siez: 1 }, 'siez'],
  ];
  for (const [kind, schema, input, key] of kinds) {
    test(`knows the keys below ${kind}`, () => {
      const { error } = schema.safeParse(input);
      const message = 'unknown key; did you mean "size"?';
      assert.deepEqual(problemsOf(schema, error?.issues ?? []), [{ key, message }]);
    });
  }

  test('names no key for a schema of another library', () => {
    const issue = { code: 'unrecognized_keys', keys: ['siez'], path: [], message: 'no' };
    const schema = { '~standard': { version: 1, vendor: 'own', validate: () => ({ issues: [issue] }) } };
    assert.deepEqual(problemsOf(schema, [issue]), [{ key: 'siez', message: 'unknown key' }]);
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

describe('hint()', () => {
  test('names the nearest, or all where none is near, or nothing', () => {
    assert.equal(hint('cahce', ['size', 'cache']), '; did you mean "cache"?');
    assert.equal(hint('colour', ['size', 'cache']), '; known: size, cache');
    assert.equal(hint('x', []), '');
  });
});
