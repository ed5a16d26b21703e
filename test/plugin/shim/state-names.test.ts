import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { HOST_FILES } from '../../../src/share/host-files.ts';
import { FOLDERS } from '../../../src/share/state-directory.ts';
import { script } from './shim-place.ts';

test('containerd-shim-virtiofs-v1 uses no name in the state directory that the host does not know', async () => {
  const text = await readFile(script, 'utf8');
  const used = [...text.matchAll(/\$state\/([a-z.-]+)/g)].map(([, name = '']) => name);
  const known: string[] = [...Object.values(FOLDERS), ...Object.values(HOST_FILES)];
  assert.deepEqual(
    used.filter((name) => !known.includes(name)),
    [],
  );
  const shared = ['address', 'announce', 'lastStart', 'log', 'lock', 'pid', 'startLock'] as const;
  for (const file of shared) assert.ok(used.includes(HOST_FILES[file]), file);
  for (const folder of ['sandboxes', 'deletions'] as const) assert.ok(used.includes(FOLDERS[folder]), folder);
  // A sandbox's folder and mark, as the host composes them.
  assert.ok(text.includes('$state/sandboxes/$namespace/$id'));
  assert.ok(text.includes('$state/deletions/$namespace:$id'));
});
