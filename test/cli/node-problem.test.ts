import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { executable } from '../harness/fixtures.ts';
import { temporaryDirectory } from '../harness/temporary-directory.ts';
import { shells } from '../plugin/shim/shim-place.ts';

const script = fileURLToPath(new URL('../../src/cli/node-problem.sh', import.meta.url));

/** Programs that this machine cannot run, made of one that it can. */
const BROKEN: readonly [what: string, broken: (program: Buffer) => void, words: RegExp][] = [
  [
    'of another processor',
    (program) => void program.writeUInt16LE(program.readUInt16LE(18) === 183 ? 62 : 183, 18),
    /^cannot be executed here: it is for another processor than \S+, or for glibc, which .*: use the release for/,
  ],
  [
    'of another C library',
    replace('/ld-linux', '/ld-nolnx'),
    /^cannot be executed here: it is for another processor than \S+, or for glibc, which .*: use the release for/,
  ],
  [
    'of a newer glibc',
    replace('GLIBC_2.34', 'GLIBC_9.87'),
    /^needs glibc 9\.87, and this system has an older one: use a newer release of it$/,
  ],
  [
    'of a library that is missing',
    replace('libc.so.6', 'libq.so.9'),
    /^needs libq\.so\.9: install the package that has it \(Debian: libatomic1, libstdc\+\+6\)$/,
  ],
];

for (const [interpreter = '', ...flags] of shells) {
  const explain = async (...nodes: string[]): Promise<string> => {
    const { stdout, stderr } = await execa(interpreter, [...flags, script, ...nodes]);
    assert.equal(stderr, '');
    return stdout;
  };

  describe(`node-problem.sh in ${interpreter}`, () => {
    for (const [what, broken, words] of BROKEN) {
      test(`says what helps against a Node.js ${what}`, async () => {
        await using directory = await temporaryDirectory();
        const program = await readFile('/bin/true');
        broken(program);
        const node = await executable(join(directory.path, 'node'), program);
        const line = await explain('', join(directory.path, 'missing'), node, process.execPath);
        const start = `"${node}" `;
        assert.equal(line.slice(0, start.length), start);
        assert.match(line.slice(start.length), words);
      });
    }

    test('does not say of a Node.js that can run the program that it is too old', async () => {
      assert.equal(
        await explain(process.execPath),
        `"${process.execPath}" could not be started a moment ago, and can be now: try again, and raise the limit of processes or memory`,
      );
    });

    test('says what helps against an old kernel and an old processor', async () => {
      await using directory = await temporaryDirectory();
      // What glibc says, and what a processor does without the instructions that a program has.
      const kernel = await executable(
        join(directory.path, 'kernel'),
        '#!/bin/sh\necho FATAL: kernel too old\n',
      );
      assert.match(
        await explain(kernel),
        /^"\/.*\/kernel" needs a newer kernel than \d+\.\S+: use a newer release/,
      );
      const processor = await executable(join(directory.path, 'processor'), '#!/bin/sh\nkill -ILL $$\n');
      assert.match(
        await explain(processor),
        /^"\/.*\/processor" ends by signal 4 at once: it is damaged, or this/,
      );
    });

    test('names one that is too old, and says where there is none', async () => {
      await using directory = await temporaryDirectory();
      const old = await executable(join(directory.path, 'old'), '#!/bin/sh\necho v22.9.0\n');
      const needs = 'needs Node.js 24 or newer: install one, first on the PATH';
      assert.equal(await explain(old), `"${old}" is v22.9.0, and this ${needs}`);
      assert.equal(await explain('', '/nonexistent/node'), 'there is no Node.js: install 24 or newer');
    });
  });
}

/** Replaces a text by another of its length, wherever it stands. */
function replace(text: string, other: string): (program: Buffer) => void {
  return (program) => {
    let found = 0;
    for (let at = program.indexOf(text); at >= 0; at = program.indexOf(text, at + 1)) {
      program.write(other, at);
      found++;
    }
    assert.notEqual(found, 0, `"${text}" in the program`);
  };
}
