import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { isProgram, requireProgram } from '../../src/daemon/requirements.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';

describe('requireProgram()', () => {
  test('refuses what is missing, a directory, not executable, or for a shell to read, each with its remedy', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'program');
    const refuses = async (code: Code, message: string): Promise<void> => {
      await assert.rejects(requireProgram(path), { name: 'StatusError', code, message });
      assert.equal(await isProgram(path), false);
    };
    await refuses(Code.NotFound, `Program "${path}" does not exist: install it`);
    mkdirSync(path);
    await refuses(
      Code.PermissionDenied,
      `Program "${path}" is not an executable file: name the program itself`,
    );
    execFileSync('rmdir', [path]);
    writeFileSync(path, '#!/bin/sh\n', { mode: 0o600 });
    await refuses(
      Code.PermissionDenied,
      `Program "${path}" is not an executable file: name the program itself`,
    );
    execFileSync('rm', [path]);
    writeFileSync(path, 'echo hello\n', { mode: 0o700 });
    const problem = 'is neither a binary nor a script with "#!"';
    await refuses(Code.InvalidArgument, `Program "${path}" ${problem}: name the program itself`);
    execFileSync('rm', [path]);
    // Opening it would wait for somebody to write.
    execFileSync('mkfifo', ['-m', '700', path]);
    await refuses(
      Code.PermissionDenied,
      `Program "${path}" is not an executable file: name the program itself`,
    );
  });

  test('lets a binary and a script pass', async () => {
    await using directory = await temporaryDirectory();
    const script = join(directory.path, 'script');
    writeFileSync(script, '#!/bin/sh\n', { mode: 0o700 });
    for (const path of [script, process.execPath]) {
      await requireProgram(path);
      assert.equal(await isProgram(path), true);
    }
  });

  test('looks again at a program that has passed: at its content, and at whether it may be executed', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'program');
    writeFileSync(path, '#!/bin/sh\n', { mode: 0o700 });
    await requireProgram(path);
    // Of the same length, in the same file, and maybe within the same tick of the kernel's clock.
    writeFileSync(path, 'exit 1 # \n');
    utimesSync(path, 1, 1);
    await assert.rejects(requireProgram(path), { code: Code.InvalidArgument });
    writeFileSync(path, '#!/bin/sh\n');
    utimesSync(path, 2, 2);
    await requireProgram(path);
    chmodSync(path, 0o600);
    await assert.rejects(requireProgram(path), { code: Code.PermissionDenied });
    execFileSync('rm', [path]);
    await assert.rejects(requireProgram(path), { code: Code.NotFound });
  });

  test('speaks of the program as its caller does', async () => {
    const words = { what: 'virtiofsd daemon', whereMissing: 'set "virtio_fs_daemon"' };
    await assert.rejects(requireProgram('/nonexistent', words), {
      message: 'virtiofsd daemon "/nonexistent" does not exist: set "virtio_fs_daemon"',
    });
  });
});
