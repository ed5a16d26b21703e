import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { holdsFile } from '../../src/proc/holds-file.ts';
import { eventually } from '../harness/eventually.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

/** A shell whose output goes to `fd`, until it carries out `command`. */
const shell = (fd: number, command: string): ChildProcess =>
  spawn('/bin/sh', ['-c', `${command}; exec sleep 600`], { stdio: ['ignore', fd, fd] });

describe('holdsFile()', () => {
  const cases: [what: string, command: string, holds: boolean][] = [
    ['a process whose output it is', ':', true],
    ['one whose standard error alone it is', 'exec >/dev/null', true],
    ['one that sent both elsewhere', 'exec >/dev/null 2>&1', false],
  ];
  for (const [what, command, holds] of cases) {
    test(`is ${holds} for ${what}`, async () => {
      await using directory = await temporaryDirectory();
      const fd = openSync(join(directory.path, 'output'), 'a');
      const child = shell(fd, command);
      const pid = child.pid ?? 0;
      try {
        const isSleep = async (): Promise<boolean> => /sleep|box/.test(await readlink(`/proc/${pid}/exe`));
        await eventually('the shell has done it', isSleep);
        assert.equal(holdsFile(pid, fstatSync(fd)), holds);
      } finally {
        child.kill('SIGKILL');
        await once(child, 'exit');
        assert.equal(holdsFile(pid, fstatSync(fd)), undefined, 'nobody can tell of one that is gone');
        closeSync(fd);
      }
    });
  }

  test('is undefined for a starter, whose output is a socket', async () => {
    await using directory = await temporaryDirectory();
    const fd = openSync(join(directory.path, 'output'), 'a');
    const child = spawn('sleep', ['600'], { stdio: ['ignore', 'pipe', 'pipe'] });
    try {
      assert.equal(holdsFile(child.pid ?? 0, fstatSync(fd)), undefined);
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
      closeSync(fd);
    }
  });
});
