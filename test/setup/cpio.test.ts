import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cpioArchive, entryType } from './cpio.ts';

test('cpioArchive() writes a header of 110 digits, the name and the content, each to a multiple of 4 bytes', () => {
  const archive = cpioArchive([{ path: 'script', mode: entryType.file | 0o755, content: 'hello' }]);
  const header = archive.toString('latin1', 0, 110);
  const fields = [...header.slice(6).matchAll(/.{8}/g)].map(([digits]) => Number.parseInt(digits, 16));
  assert.equal(header.slice(0, 6), '070701');
  assert.deepEqual(fields, [1, 0o100755, 0, 0, 1, 0, 5, 0, 0, 0, 0, 7, 0]);
  assert.equal(archive.toString('latin1', 110, 120), 'script\0\0\0\0');
  assert.equal(archive.toString('latin1', 120, 128), 'hello\0\0\0');
  assert.match(archive.toString('latin1', 128), /^070701[0-9a-f]{104}TRAILER!!!\0+$/);
  assert.equal(archive.length % 4, 0);
});

test('cpioArchive() writes archives that stay aligned when they are concatenated', () => {
  for (const path of ['a', 'ab', 'abc', 'abcd']) {
    assert.equal(cpioArchive([{ path, mode: entryType.file, content: path }]).length % 4, 0);
  }
});

test('cpioArchive() counts the bytes, not the characters, of names and contents', () => {
  const archive = cpioArchive([{ path: 'ä', mode: entryType.file, content: 'öö' }]);
  assert.equal(Number.parseInt(archive.toString('latin1', 6 + 6 * 8, 6 + 7 * 8), 16), 4);
  assert.equal(Number.parseInt(archive.toString('latin1', 6 + 11 * 8, 6 + 12 * 8), 16), 3);
});
