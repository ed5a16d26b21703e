import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { parseConfig } from '../../src/config/read.ts';

test('examples/containerd/tmpfiles.conf keeps those who clean up from the default directories', async () => {
  const text = await readFile(new URL('../../examples/containerd/tmpfiles.conf', import.meta.url), 'utf8');
  const excluded = [...text.matchAll(/^x (\/\S+)$/gm)].map(([, path = '']) => path);
  const { state, scratchDir } = parseConfig({ version: 1 });
  for (const path of [state, scratchDir])
    assert.ok(
      excluded.some((directory) => path === directory || path.startsWith(`${directory}/`)),
      path,
    );
});
