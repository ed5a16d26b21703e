import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAtLeast } from './version-order.ts';

test('isAtLeast() compares numbers, not digits', () => {
  assert.equal(isAtLeast('1.100.0', '1.85.0'), true);
  assert.equal(isAtLeast('1.85.0', '1.85.0'), true);
  assert.equal(isAtLeast('1.63.0', '1.85.0'), false);
  assert.equal(isAtLeast('1.9', '1.21.0'), false);
});
