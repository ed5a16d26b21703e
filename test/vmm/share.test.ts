import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { deviceId } from '../../src/vmm/share.ts';

describe('deviceId()', () => {
  test('makes of every tag a name of its own that all VMMs take', () => {
    const tags = ['work', 'Work-2', 'a.b', 'a_b', 'a_2eb', 'a b', '/etc', 'é', '💾', '-', '_', 'a,b=c"\'<'];
    const ids = tags.map(deviceId);
    assert.deepEqual(ids.slice(0, 6), [
      'fs-work',
      'fs-Work-2',
      'fs-a_2eb',
      'fs-a_5fb',
      'fs-a_5f2eb',
      'fs-a_20b',
    ]);
    assert.equal(new Set(ids).size, tags.length);
    for (const id of ids) assert.match(id, /^fs-[A-Za-z0-9_-]+$/);
  });
});
