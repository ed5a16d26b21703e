import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from './release/root.ts';

test('the lock file lets npm leave out no tool because of the Node.js that runs npm', async () => {
  // npm installs with the system's, which may be 18, and leaves out what is optional and wants another one: rolldown's, oxlint's
  // and oxfmt's own programs. They are run with ours.
  const { packages } = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { optional?: boolean; engines?: unknown }>;
  };
  const conditional = Object.entries(packages).filter(([, one]) => one.optional && one.engines);
  assert.deepEqual(
    conditional.map(([path]) => path),
    [],
  );
});
