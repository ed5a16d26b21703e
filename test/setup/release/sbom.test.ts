import assert from 'node:assert/strict';
import { test } from 'node:test';
import { packageVersion } from '../../../src/package.ts';
import { sbom } from './sbom.ts';

test('sbom() has the version of ttrpc-ts that is released with ours, wherever it is named', async () => {
  const text = await sbom();
  const named = [...text.matchAll(/"(?:pkg:npm\/)?ttrpc-ts@([^"]*)"/g)].map(([, version]) => version);
  assert.deepEqual([...new Set(named)], [packageVersion()]);
  const { components } = JSON.parse(text) as { components: { name: string; version: string }[] };
  assert.equal(components.find(({ name }) => name === 'ttrpc-ts')?.version, packageVersion());
});
