import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { explainEnd, levelOf } from '../../../plugin/nydus/words.ts';

describe('levelOf()', () => {
  test('reads the level that nydusd writes, and knows the words of its argument parser', () => {
    const at = '[2026-11-26 00:21:52.641435 +00:00]';
    assert.equal(levelOf(`${at} INFO RAFS filesystem imported`), 'info');
    assert.equal(levelOf(`${at} WARN [/fs.rs:1] it is late`), 'warn');
    assert.equal(levelOf(`${at} ERROR [/error.rs:22] Error:`), 'error');
    assert.equal(levelOf("error: Found argument '--nonsense' which wasn't expected"), 'error');
    assert.equal(levelOf('Usage: nydusd virtiofs [OPTIONS] --sock <sock>'), 'info');
  });
});

describe('explainEnd()', () => {
  test('finds the line that says why', () => {
    const lastLines = ["error: Found argument '--x'", 'Usage: nydusd', "For more information try '--help'"];
    assert.deepEqual(explainEnd({ exitCode: 2, lastLines }), {
      reason: 'failed',
      words: "error: Found argument '--x'",
    });
    assert.deepEqual(explainEnd({ signal: 'SIGKILL', lastLines: [] }), {
      reason: 'failed',
      words: undefined,
    });
  });
});
