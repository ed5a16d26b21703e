import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newest } from '../../../src/services/share-api/list.ts';

test('newest() keeps the newest lines that fit, whole', () => {
  for (const [lines, bytes, kept] of [
    [['a', 'bb', 'ccc'], 6, ['a', 'bb', 'ccc']],
    [['a', 'bb', 'ccc'], 5, ['bb', 'ccc']],
    [['a', 'bb', 'ccc'], 4, ['ccc']],
    [['a', 'bb', 'ccc'], 2, []],
    [['a', 'ü'], 2, ['ü']],
    [['a', 'ü'], 1, []],
    [[], 0, []],
  ] as const)
    assert.deepEqual(newest(lines, bytes), kept);
});
