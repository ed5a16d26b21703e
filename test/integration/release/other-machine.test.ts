import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { executable } from '../../harness/fixtures.ts';
import { temporaryDirectory } from '../../harness/temporary-directory.ts';
import { LIBRARY_DIRECTORY, makeNodeTree } from '../../setup/release/node-tree.ts';

test('the command of a node whose system cannot run its Node.js says what is wrong and what helps', async () => {
  await using place = await temporaryDirectory();
  const tree = join(place.path, 'tree');
  // As for another release of the system: a library is missing.
  const program = (await readFile('/bin/true')).toString('latin1').replace('libc.so.6', 'libq.so.9');
  const nodeBinary = await executable(join(place.path, 'node'), Buffer.from(program, 'latin1'));
  await makeNodeTree(tree, { version: '9.8.7', nodeBinary });
  const { exitCode, stdout, stderr } = await execa(join(tree, 'usr/bin/shim-virtiofs'), ['ls'], {
    reject: false,
  });
  assert.deepEqual([exitCode, stdout], [1, '']);
  const node = join(tree, LIBRARY_DIRECTORY, 'bin/node');
  const remedy = 'install the package that has it (Debian: libatomic1, libstdc++6)';
  assert.equal(stderr, `shim-virtiofs: no Node.js that can run this: "${node}" needs libq.so.9: ${remedy}`);
});
