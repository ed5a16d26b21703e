import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { shellWords } from '../../src/cli/shell-words.ts';

describe('shellWords()', () => {
  test('are what a shell reads', () => {
    const words = ['-device', 'tag=a b,,c', "it's", '$HOME `id` "x" \\', '*', '', '~', '#'];
    const script = `printf '%s\\n' ${shellWords(words)}`;
    assert.deepEqual(execFileSync('sh', ['-c', script]).toString().split('\n').slice(0, -1), words);
  });

  test('leave plain words as they are', () => {
    assert.equal(
      shellWords(['-m', '512M', 'id=fs0,path=/run/s/a.sock']),
      '-m 512M id=fs0,path=/run/s/a.sock',
    );
  });

  test('steer no terminal', () => {
    assert.equal(shellWords(['\x1b[2J']), "'\\x1b[2J'");
  });
});
